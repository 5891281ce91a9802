"""A half-written run is never taken for a finished one."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdbook.errors import KdbookError
from kdbook.store import Store, key_of, open_store

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


@given(JSON, JSON)
def test_keys_tell_identities_apart(first, second):
    same = key_of({"x": first}) == key_of({"x": second})
    assert same == (first == second and repr(first) == repr(second)) or first == second


def test_the_order_of_settings_does_not_matter():
    assert key_of({"a": 1, "b": {"c": 2, "d": 3}}) == key_of({"b": {"d": 3, "c": 2}, "a": 1})


def test_a_finished_run_is_found(tmp_path):
    store = Store(tmp_path)
    with store.writing("key") as directory:
        (directory / "weights").write_text("w")
        assert store.get("key") is None
        store.finish(directory, {"name": "run"})
    run = store.get("key")
    assert run and run.record == {"name": "run"} and (run.path / "weights").read_text() == "w"
    assert [found.key for found in store] == ["key"]
    assert not store.interrupted("key")


def test_a_failed_run_is_not_found_but_known_as_interrupted(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(ZeroDivisionError), store.writing("key") as directory:
        (directory / "weights").write_text("half")
        raise ZeroDivisionError
    assert store.get("key") is None and list(store) == [] and store.interrupted("key")
    with store.writing("key") as directory:
        assert list(directory.iterdir()) == []
        store.finish(directory, {})
    assert store.get("key") and not store.interrupted("key")


def test_two_writers_of_one_key_work_one_after_the_other(tmp_path):
    trained, waited = [], []

    def work() -> None:
        store = Store(tmp_path)
        with store.writing("key", wait=lambda: waited.append(1)) as directory:
            if store.get("key"):
                return
            time.sleep(0.2)
            trained.append(1)
            store.finish(directory, {})

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(trained) == 1 and waited


def test_unwritable_store_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KdbookError, match="KDBOOK_STORE"), Store(tmp_path / "file" / "store").writing("key"):
        pass


def test_chapters_share_the_store_of_their_project(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").write_text("")
    (tmp_path / "book").mkdir()
    monkeypatch.chdir(tmp_path / "book")
    assert open_store().root == tmp_path / ".runs"
    monkeypatch.setenv("KDBOOK_STORE", str(tmp_path / "other"))
    assert open_store().root == tmp_path / "other"
