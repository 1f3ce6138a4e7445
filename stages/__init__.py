"""The stages of dvc.yaml, one short file each, and what they share: `entry`, `params`, `paths`."""

import signal
import sys

from roadshift import runtime
from roadshift.errors import RoadshiftError

# Imports take seconds, and Ctrl-C during them would print a traceback. Nothing is written by then,
# so a stage that is run (python -m) simply ends, until `entry.run` sets its own handlers.
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

try:
    runtime.prepare()
except RoadshiftError as error:
    sys.exit(f"error: {error}")
