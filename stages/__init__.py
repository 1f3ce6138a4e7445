"""The stages of dvc.yaml, a short file each: the only code that knows paths and params.yaml."""

import os
import signal
import sys

# TensorFlow's own chatter hides the line that matters; this has to be said before its import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Imports take seconds, and Ctrl-C in them would end in their traceback. Nothing is written by then,
# so that a stage that is run (python -m) just ends, until `entry.run` takes over.
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
