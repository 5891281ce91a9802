"""Where the runs of this process are kept."""

import re
from pathlib import Path

from kdbook.errors import KdbookError
from kdbook.paths import expanded
from kdbook.settings import environment
from kdbook.store.local import Store

DEFAULT_ROOT = ".runs"
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # of a URL; a single letter is a drive of Windows


def open_store() -> Store:
    """The store that ``KDBOOK_STORE`` names, else ``.runs`` in the project or working directory.

    It is a path, or a URL that fsspec knows, such as ``s3://bucket/folder``.

    Raises
    ------
    KdbookError
        If it is neither a path nor a URL, or a folder with other things in it, or if another version of
        kdbook made it, with another layout.
    """
    name = environment.read().store
    if name and environment.is_url(name):
        scheme, _, rest = name.partition("://")
        if not scheme or not rest.strip("/"):
            raise KdbookError(f"KDBOOK_STORE = {name!r} names no place; write s3://bucket/folder, or a path")
        from kdbook.store.remote import RemoteStore  # imports fsspec

        return RemoteStore(name)
    if name and SCHEME.match(name):
        raise KdbookError(
            f"KDBOOK_STORE = {name!r} is neither a path nor a URL; write s3://bucket/folder, or, for a path, "
            f"./{name}"
        )
    store = Store(expanded(name).absolute() if name else project_root() / DEFAULT_ROOT)
    store.check()
    return store


def project_root() -> Path:
    """The nearest parent directory with a book, so that chapters, which run in ``book``, share one store."""
    try:
        here = Path.cwd()
    except FileNotFoundError as error:
        raise KdbookError("the working directory does not exist any more; change to another one") from error
    return next((folder for folder in (here, *here.parents) if (folder / "_toc.yml").is_file()), here)
