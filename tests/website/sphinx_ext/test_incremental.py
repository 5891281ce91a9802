"""Files that are written again only if what they are made from changed."""

from pathlib import Path

import pytest

from kdbook.website.sphinx_ext.incremental import IncrementalFolder


class Builds:
    """Builds of a folder one after the other."""

    def __init__(self, root: Path) -> None:
        self.folder, self.record = root / "folder", root / "record.json"

    def build(self, **sources: object) -> list[str]:
        """Make files from values, and return the names of those that were written."""
        written = []

        def write(path: Path) -> None:
            written.append(path.name)
            path.write_text(str(sources[path.name]))

        folder = IncrementalFolder(self.folder, self.record)
        for name, source in sources.items():
            folder.make(name, source, write)
        folder.close()
        assert {path.name: path.read_text() for path in self.folder.iterdir()} == {
            name: str(source) for name, source in sources.items()
        }
        return written


@pytest.fixture
def builds(tmp_path) -> Builds:
    return Builds(tmp_path)


def test_only_what_changed_is_written(builds):
    assert builds.build(a=1, b={"x": [1]}) == ["a", "b"]
    assert builds.build(a=1, b={"x": [1]}) == []
    assert builds.build(a=1, b={"x": [2]}) == ["b"]
    assert builds.build(a=1) == []
    assert builds.build(a=1, b={"x": [2]}) == ["b"]


def test_a_missing_file_is_written_again(builds):
    builds.build(a=1, b=2)
    (builds.folder / "a").unlink()
    assert builds.build(a=1, b=2) == ["a"]


@pytest.mark.parametrize("text", ["", "not JSON", "[1]"])
def test_without_a_record_all_is_written(builds, text):
    builds.build(a=1, b=2)
    builds.record.write_text(text)
    assert builds.build(a=1, b=2) == ["a", "b"]


def test_a_build_that_breaks_off_leaves_nothing_that_is_believed(builds):
    """Going back to the sources of the record would otherwise find the files of other sources."""
    builds.build(a=1, b=2)
    broken = IncrementalFolder(builds.folder, builds.record)
    broken.make("a", 3, lambda path: path.write_text("3"))
    assert builds.build(a=1, b=2) == ["a", "b"]
