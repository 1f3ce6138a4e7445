"""Ablations: variants of the parameters, run as DVC experiments and compared with a baseline."""

import stages  # noqa: F401 - first: it quietens TensorFlow, and lets Ctrl-C end the imports
