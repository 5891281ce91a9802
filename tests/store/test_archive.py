"""Runs travel in one file, and nothing but runs gets out of it."""

import stat
import zipfile

import pytest
from runs import make_record, predictions, write_results

from kdbook.errors import KdbookError
from kdbook.store import archive
from kdbook.store.local import Store
from kdbook.store.run import Run

RECORD = make_record()


@pytest.fixture
def run(tmp_path) -> Run:
    store = Store(tmp_path / "store")
    key = RECORD.identity.key
    with store.writing(key) as directory:
        (directory / "predictor").mkdir()
        (directory / "predictor" / "model.ckpt").write_bytes(bytes(1000))
        write_results(directory, predictions([("en", 0, 1), ("de", 1, 1)]))
        store.finish(directory, RECORD)
    result = store.get(key)
    assert result
    return result


def rewritten(path, change) -> None:
    """Change the entries of a zip file, a dict of names and contents, in place."""
    with zipfile.ZipFile(path) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    change(entries)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)


def test_a_run_arrives_as_it_was(run, tmp_path):
    archive.export([run], tmp_path / "runs.zip")
    there = Store(tmp_path / "there")
    seen: list[tuple[str, bool]] = []
    for _ in range(2):
        archive.import_runs(tmp_path / "runs.zip", there, report=lambda key, new: seen.append((key, new)))
    assert seen == [(run.key, True), (run.key, False)]
    arrived = there.get(run.key)
    assert arrived and arrived.problems() == [] and arrived.record == run.record
    assert there.leftovers() == []


def test_a_damaged_run_is_not_exported(run, tmp_path):
    (run.predictor / "model.ckpt").write_bytes(b"x")
    with pytest.raises(KdbookError, match="damaged"):
        archive.export([run], tmp_path / "runs.zip")
    assert not list(tmp_path.glob("runs.zip*"))


def test_an_import_that_was_cut_off_is_done_again(run, tmp_path):
    archive.export([run], tmp_path / "runs.zip")
    there = Store(tmp_path / "there")
    with pytest.raises(ZeroDivisionError), there.writing(run.key) as directory:
        (directory / "half").write_text("")
        raise ZeroDivisionError
    archive.import_runs(tmp_path / "runs.zip", there)
    assert there.get(run.key)


CHANGES = {
    "other weights": lambda entries, key: entries.update({f"{key}/predictor/model.ckpt": bytes(999) + b"x"}),
    "a file too many": lambda entries, key: entries.update({f"{key}/script.py": b""}),
    "a file too few": lambda entries, key: entries.pop(f"{key}/predictor/model.ckpt"),
    "no manifest": lambda entries, key: entries.pop(f"{key}/manifest.json"),
    "a manifest with a path upwards": lambda entries, key: entries.update(
        {
            f"{key}/{name}": b'{"run.json": "0", "../../x.json": "0"}'
            for name in ("manifest.json", "../../x.json")
        }
    ),
    "a path upwards": lambda entries, key: entries.update({"../outside": b""}),
    "an absolute path": lambda entries, key: entries.update({"/outside": b""}),
    "a file of its own": lambda entries, key: entries.update({"readme": b""}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_archive_is_refused(run, tmp_path, what):
    path, there = tmp_path / "runs.zip", Store(tmp_path / "there")
    archive.export([run], path)
    rewritten(path, lambda entries: CHANGES[what](entries, run.key))
    with pytest.raises(KdbookError, match=r"runs\.zip"):
        archive.import_runs(path, there)
    assert there.get(run.key) is None
    assert sorted(result.name for result in tmp_path.iterdir() if result.is_file()) == ["runs.zip"]


def test_a_run_under_the_key_of_another_is_refused(run, tmp_path):
    path, there = tmp_path / "runs.zip", Store(tmp_path / "there")
    archive.export([run], path)
    rewritten(
        path,
        lambda entries: [
            entries.update({name.replace(run.key, "abc123" * 3 + "ab"): entries.pop(name)})
            for name in list(entries)
        ],
    )
    with pytest.raises(KdbookError, match="another run"):
        archive.import_runs(path, there)
    assert there.keys() == []


def test_an_imported_run_is_marked_until_it_is_trusted(run, tmp_path):
    path, there = tmp_path / "runs.zip", Store(tmp_path / "there")
    archive.export([run], path)
    archive.import_runs(path, there)
    assert there.imported(run.key)
    archive.import_runs(path, there, trust=True)
    assert not there.imported(run.key)
    here = Store(tmp_path / "store")
    archive.import_runs(path, here)
    assert not here.imported(run.key)  # it was trained there


def test_a_run_that_is_trained_anew_is_no_imported_one_any_more(run, tmp_path):
    path, there = tmp_path / "runs.zip", Store(tmp_path / "there")
    archive.export([run], path)
    archive.import_runs(path, there)
    with there.writing(run.key) as directory:
        there.finish(directory, make_record(interruptions=7))
    assert not there.imported(run.key)


def test_a_link_is_refused(run, tmp_path):
    path = tmp_path / "runs.zip"
    archive.export([run], path)
    link = zipfile.ZipInfo(f"{run.key}/link.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(KdbookError, match="not a plain file"):
        archive.import_runs(path, Store(tmp_path / "there"))


def test_a_bomb_is_refused_before_it_grows(run, tmp_path):
    path, there = tmp_path / "runs.zip", tmp_path / "there"
    archive.export([run], path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{run.key}/predictor/more.ckpt", bytes(5 * 10**7))
    with pytest.raises(KdbookError, match="would grow to 50 MB"):
        archive.import_runs(path, Store(there))
    assert not there.exists()


def test_no_zip_file(tmp_path):
    (tmp_path / "runs.zip").write_text("no zip")
    with pytest.raises(KdbookError, match="can't be read"):
        archive.import_runs(tmp_path / "runs.zip", Store(tmp_path / "there"))
