"""The standard streams, on terminals and in files of any encoding."""

import io
import sys


def escape_unprintable() -> None:
    """Lets stdout and stderr escape what their encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
