"""The one exception that the command line shows as a single line, without a traceback."""


class KdbookError(Exception):
    """Something the user can put right; the message says what is wrong and what to do."""
