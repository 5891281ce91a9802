"""Paths that users name: what can't be looked at or written is one line, not a traceback."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kdbook.errors import KdbookError


def expanded(name: str | Path) -> Path:
    """A path with the home directory in place of ``~``.

    Raises
    ------
    KdbookError
        If it begins with the home directory of an unknown user.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise KdbookError(f"{str(name)!r} begins with a home directory that does not exist") from error


def exists(path: Path) -> bool:
    """Whether there is a file or folder of this path; errors as for :func:`is_file`."""
    return _mode(path) is not None


def is_dir(path: Path) -> bool:
    """Whether there is a folder of this path; errors as for :func:`is_file`."""
    return stat.S_ISDIR(_mode(path) or 0)


def is_file(path: Path) -> bool:
    """Whether there is a file of this path.

    Raises
    ------
    KdbookError
        If that can't be found out: the path is too long, or a folder on the way is closed to this user.
    """
    return stat.S_ISREG(_mode(path) or 0)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of the system inside this context into a line that names the path to be written."""
    try:
        yield
    except OSError as error:
        raise KdbookError(f"{str(path)!r} can't be written: {error.strerror or error}") from error


def _mode(path: Path) -> int | None:
    """The type of a file, None if it does not exist."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last one: a character of code 0
        return None
    except OSError as error:
        raise KdbookError(f"{str(path)[:200]!r} can't be looked at: {error.strerror}") from error
