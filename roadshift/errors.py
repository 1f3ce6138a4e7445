"""The one exception that a user is meant to read."""


class RoadshiftError(Exception):
    """Something the user can put right.

    The message is one line (three where a file has to be got by hand): it names the file, value or
    key, says what was expected, and what to do. Stages and commands print it without a traceback
    and exit with status 1.
    """
