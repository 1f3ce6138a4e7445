"""The stages of dvc.yaml, a short file each: the only code that knows paths and params.yaml."""

import os

# TensorFlow's own chatter hides the line that matters; this has to be said before its import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
