"""Ablations: variants of the parameters, run as DVC experiments and compared with a baseline."""

import stages  # noqa: F401 - first: it prepares the runtime, and lets Ctrl-C end the imports
from roadshift.streams import escape_unprintable

escape_unprintable()
