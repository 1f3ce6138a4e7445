"""The exception whose message is written for the user."""


class RoadshiftError(Exception):
    """An error that the user can correct.

    The message names the file, value or key, says what was expected, and what to do. It is one
    line, three if a file has to be got by hand, or a line for each fault of a data set, at most a
    screenful. Stages and commands print it without a traceback
    and exit with status 1.
    """
