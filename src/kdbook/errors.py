"""The one exception that the command line reports as a single line, without a traceback."""


class KdbookError(Exception):
    """A problem that the user can fix; the message says what is wrong and what to do."""
