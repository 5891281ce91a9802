import pytest

from kdbook.atomic import atomic


def test_a_file_appears_when_it_is_complete(tmp_path):
    with atomic(tmp_path / "file") as partial:
        partial.write_text("new")
        assert not (tmp_path / "file").exists()
    assert (tmp_path / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_folder_appears_when_it_is_complete(tmp_path):
    with atomic(tmp_path / "folder") as partial:
        partial.mkdir()
        (partial / "file").touch()
    assert list(tmp_path.rglob("*")) == [tmp_path / "folder", tmp_path / "folder" / "file"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_failure_leaves_what_was_there(tmp_path, kind):
    (tmp_path / "target").write_text("old")
    with pytest.raises(ZeroDivisionError), atomic(tmp_path / "target") as partial:
        if kind == "file":
            partial.write_text("half")
        else:
            (partial / "deep").mkdir(parents=True)
        raise ZeroDivisionError
    assert (tmp_path / "target").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "target"]
