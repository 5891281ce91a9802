"""A half-written run is never taken for a finished one."""

import copy
import json
import threading
import time

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from runs import make_record

from kdbook.errors import KdbookError
from kdbook.store import local
from kdbook.store.local import PARTIAL, Store
from kdbook.store.location import open_store
from kdbook.store.run import PREDICTIONS, Run, key_of, read_manifest

RECORD = make_record("run-0")
KEY, OTHER = "0" * 20, "1" * 20
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(JSON)
def test_equal_identities_have_equal_keys(value):
    assert key_of({"x": value}) == key_of({"x": copy.deepcopy(value)})


@given(JSON, JSON)
def test_different_identities_have_different_keys(first, second):
    assume(json.dumps(first, sort_keys=True) != json.dumps(second, sort_keys=True))
    assert key_of({"x": first}) != key_of({"x": second})


def test_the_order_of_settings_does_not_matter():
    assert key_of({"a": 1, "b": {"c": 2, "d": 3}}) == key_of({"b": {"d": 3, "c": 2}, "a": 1})


def test_a_finished_run_is_found(tmp_path):
    store = Store(tmp_path)
    with store.writing(KEY) as directory:
        (directory / "weights").write_text("w")
        assert store.get(KEY) is None
        store.finish(directory, RECORD)
    run = store.get(KEY)
    assert run and run.record == RECORD and (run.path / "weights").read_text() == "w"
    assert [run.key for run in store] == [KEY]
    assert not store.was_begun(KEY)


def test_a_failed_run_is_not_found_but_known_as_interrupted(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(ZeroDivisionError), store.writing(KEY) as directory:
        (directory / "weights").write_text("half")
        raise ZeroDivisionError
    assert store.get(KEY) is None and list(store) == [] and store.was_begun(KEY)
    assert [path.name for path in store.leftovers()] == [KEY]
    with store.writing(KEY) as directory:
        assert (directory / "weights").read_text() == "half"  # for a writer that can go on
        store.finish(directory, RECORD)
    assert store.get(KEY) and not store.was_begun(KEY)


def test_a_writer_that_began_nothing_leaves_nothing(tmp_path):
    with Store(tmp_path).writing(KEY):
        pass
    assert not Store(tmp_path).was_begun(KEY)


def test_a_run_that_was_sealed_before_its_writer_died_is_kept(tmp_path):
    store = Store(tmp_path)
    partial = store.ensure_folder(PARTIAL) / KEY
    partial.mkdir()
    store.finish(partial, RECORD)
    with store.writing(KEY):
        assert store.get(KEY)
    assert store.get(KEY)


@pytest.fixture
def finished(tmp_path) -> Run:
    store = Store(tmp_path)
    with store.writing(KEY) as directory:
        (directory / "predictor").mkdir()
        (directory / "predictor" / "weights").write_bytes(bytes(1000))
        (directory / PREDICTIONS).write_bytes(bytes(100))
        store.finish(directory, RECORD)
    return Run(tmp_path / KEY)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_flipped_bit_and_every_cut_is_damage(finished, data):
    path = data.draw(st.sampled_from(sorted(path for path in finished.path.rglob("*") if path.is_file())))
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    cut, bit = data.draw(st.booleans()), data.draw(st.integers(0, 7))
    flipped = content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]
    try:
        path.write_bytes(content[:at] if cut else flipped)
        assert finished.problems() or json.loads(path.read_text()) == json.loads(
            content
        )  # a blank may become another blank
    finally:
        path.write_bytes(content)
    assert finished.problems() == []


@pytest.mark.parametrize("harm", ["change", "remove", "add"])
def test_a_run_with_damaged_results_is_never_read(finished, harm):
    path = finished.path / (PREDICTIONS if harm != "add" else "foreign")
    path.unlink() if harm == "remove" else path.write_bytes(b"x")
    store = Store(finished.path.parent)
    assert store.get(KEY) is None and list(store) == [] and len(store.problems(KEY)) == 1


def test_verify_sets_a_run_with_damaged_weights_aside(finished):
    store = Store(finished.path.parent)
    assert store.verify(KEY) == []
    (finished.predictor / "weights").write_bytes(bytes(999) + b"x")
    assert store.get(KEY)  # weights are not hashed when results are read
    assert store.verify(KEY) == ["predictor/weights was changed"]
    assert store.get(KEY) is None and store.problems(KEY) and store.keys() == []
    with store.writing(KEY) as directory:
        store.finish(directory, RECORD)
    assert store.get(KEY) and store.leftovers() == []


def test_remove(finished):
    store = Store(finished.path.parent)
    store.remove(KEY)
    assert store.get(KEY) is None and store.keys() == [] and store.problems(KEY) == []


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"run.json": "a", "../x": "b"}', '{"run.json": "a", "/x": "b"}', '{"run.json": 1}'],
)
def test_what_is_no_manifest(text):
    with pytest.raises(ValueError):
        read_manifest(text)


def test_two_writers_of_one_key_work_one_after_the_other(tmp_path):
    trained, waited = [], []

    def work() -> None:
        store = Store(tmp_path)
        with store.writing(KEY, wait=lambda: waited.append(1)) as directory:
            if store.get(KEY):
                return
            time.sleep(0.2)
            trained.append(1)
            store.finish(directory, RECORD)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(trained) == 1 and waited


def test_unwritable_store_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KdbookError, match="KDBOOK_STORE"), Store(tmp_path / "file" / "store").writing(KEY):
        pass


def test_a_store_of_another_layout_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("KDBOOK_STORE", str(tmp_path))
    with open_store().writing(KEY):
        pass
    assert open_store()
    (tmp_path / "layout").write_text("99")
    with pytest.raises(KdbookError, match="'99'.*KDBOOK_STORE"):
        open_store()


def test_a_failure_on_a_full_disk_says_so_and_others_are_left_alone(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="odd"), Store(tmp_path).explaining_full_disk():
        raise RuntimeError("odd")
    monkeypatch.setattr(local, "DISK_FULL_BELOW_BYTES", 10**18)
    with pytest.raises(KdbookError, match="is full"), Store(tmp_path).explaining_full_disk():
        raise RuntimeError("odd")


def test_a_run_that_is_added_is_seen_by_a_store_that_was_read(tmp_path, finished):
    reader = Store(finished.path.parent)
    assert len(list(reader)) == 1
    with Store(reader.root).writing(OTHER) as directory:
        Store(reader.root).finish(directory, make_record("other-1"))
    assert {run.name for run in reader} == {"other-1", "run-0"}


def test_chapters_share_the_store_of_their_project(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").write_text("")
    (tmp_path / "book").mkdir()
    monkeypatch.chdir(tmp_path / "book")
    assert open_store().root == tmp_path / ".runs"
    monkeypatch.setenv("KDBOOK_STORE", str(tmp_path / "other"))
    assert open_store().root == tmp_path / "other"
