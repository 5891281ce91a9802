"""Where the runs of this process are kept."""

from pathlib import Path

from kdbook.errors import KdbookError
from kdbook.settings import environment
from kdbook.store.local import LAYOUT, OUR_LAYOUT, Store

DEFAULT_ROOT = ".runs"


def open_store() -> Store:
    """The store that ``KDBOOK_STORE`` names, else ``.runs`` in the project or working directory.

    It is a path, or a URL that fsspec knows, such as ``s3://bucket/folder``.

    Raises
    ------
    KdbookError
        If another version of kdbook made it, with another layout.
    """
    name = environment.read().store
    if name and environment.is_url(name):
        from kdbook.store.remote import RemoteStore  # imports fsspec

        return RemoteStore(name)
    root = Path(name).expanduser().absolute() if name else project_root() / DEFAULT_ROOT
    layout = (root / LAYOUT).read_text("utf-8").strip() if (root / LAYOUT).is_file() else OUR_LAYOUT
    if layout != OUR_LAYOUT:
        raise KdbookError(
            f"the run store {root} has the layout {layout!r} of another version of kdbook, and this one "
            f"reads {OUR_LAYOUT!r}. Remove it, or choose another with KDBOOK_STORE"
        )
    return Store(root)


def project_root() -> Path:
    """The nearest parent directory with a book, so that chapters, which run in ``book``, share one store."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "_toc.yml").is_file()), here)
