"""The exception whose message is written for the user."""


class RoadshiftError(Exception):
    """An error that the user can correct.

    The message is one line (three if a file has to be got by hand): it names the file, value or
    key, says what was expected, and what to do. Stages and commands print it without a traceback
    and exit with status 1.
    """
