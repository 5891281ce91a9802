"""Files of the site that are written again only if what they are made from changed."""

from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter

from kdbook.store.run import key_of

HASHES = TypeAdapter(dict[str, str])


class IncrementalFolder:
    """A folder of files, and a record of what each of them was made from.

    Parameters
    ----------
    folder
        The folder. After :meth:`close` it holds the files that were made, and no others.
    record
        The file that keeps a hash for each of them from build to build, outside the folder.
    """

    def __init__(self, folder: Path, record: Path) -> None:
        self._folder, self._record = folder, record
        self._before = _read(record)
        self._now: dict[str, str] = {}
        record.unlink(missing_ok=True)  # a build that breaks off leaves files that no record describes
        folder.mkdir(parents=True, exist_ok=True)

    def make(self, name: str, made_from: object, write: Callable[[Path], object]) -> Path:
        """Write a file unless it is there and was made from the same.

        Parameters
        ----------
        name
            The name of the file.
        made_from
            All that decides its content, as values of JSON.
        write
            Writes the file at the path that it is given.
        """
        path = self._folder / name
        self._now[name] = key_of(made_from)
        if self._before.get(name) != self._now[name] or not path.is_file():
            write(path)
        return path

    def close(self) -> None:
        """Remove all other files, and keep the record."""
        for path in self._folder.iterdir():
            if path.name not in self._now:
                path.unlink()
        self._record.write_bytes(HASHES.dump_json(self._now))


def _read(record: Path) -> dict[str, str]:
    try:
        return HASHES.validate_json(record.read_bytes())
    except (OSError, ValueError):
        return {}
