"""How files of a run arrive from a bucket or an archive: whole, damaged there, or not at all."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kdbook.errors import KdbookError
from kdbook.store.run import hash_of


class DamagedError(KdbookError):
    """A file whose content is not the one that was committed."""


def fetch(read: Callable[[Path], None], target: Path, sha256: str, what: str) -> None:
    """Copy a file of a run to this disk with ``read``, and check its content; ``what`` names it.

    Raises
    ------
    DamagedError
        If it is not what was committed, and the same when it is read again.
    KdbookError
        If it does not arrive whole. :func:`explaining_errors` makes one of what ``read`` raises.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    hashes = []
    for _ in range(2):  # what was cut off on the way differs from what was damaged there
        read(target)
        hashes.append(hash_of(target))
        if hashes[-1] == sha256:
            return
    if hashes[0] == hashes[1]:
        raise DamagedError(f"{what} is not what was committed")
    raise KdbookError(f"{what} does not arrive whole; try again")


@contextmanager
def explaining_errors(unreachable: str, disk: str, advice: str = "", denied: str = "") -> Iterator[None]:
    """Turn what a bucket or an archive raises into one line: forbidden, a full disk, or unreachable.

    None of this is damage. ``zipfile``, boto and aiohttp raise errors of the system, of decompressors and of
    their own, which share no class; those of a connection were retried already. ``advice`` follows the
    reason, ``denied`` replaces ``unreachable`` where access is denied, and ``disk`` names the disk on which
    files arrive.
    """
    try:
        yield
    except KdbookError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        line = f"{unreachable}: {reason}{advice}"
        if denied and isinstance(error, PermissionError):
            line = f"{denied} ({reason})"
        elif isinstance(error, OSError) and error.errno == errno.ENOSPC:
            line = f"the disk of {disk} is full"
        raise KdbookError(line) from error
