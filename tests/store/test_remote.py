"""A store behind a URL has whole runs or none; in memory, and on an S3 server where the connection matters."""

import contextlib
import errno
import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
import s3fs
from fsspec.implementations.memory import MemoryFileSystem
from helpers import FEW_RUNS, few_profile
from runs import make_record, predictions, write_results

from kdbook.errors import KdbookError
from kdbook.settings import profile
from kdbook.store import archive
from kdbook.store.local import Store
from kdbook.store.location import open_store
from kdbook.store.remote import FILES, MARKERS, RemoteStore
from kdbook.store.run import RECORD
from kdbook.study.study import Study

BUCKET = "runs"
RECORD_OF = make_record()
KEY = RECORD_OF.identity.key
A, B = "a" * 20, "b" * 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def server():
    """Port of an S3 server in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield port
    process.kill()
    process.wait()


class Cable:
    """A connection to the server that can be cut after some bytes, or altogether."""

    def __init__(self, server: int) -> None:
        self.server, self.cut_after, self.cuts = server, None, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.server))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        carried = 0
        try:
            while data := source.recv(4096):
                carried += len(data)
                if self.cut_after is not None and carried > self.cut_after:
                    self.cuts += 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.listener.close()


@pytest.fixture
def cable(server):
    laid = Cable(server)
    yield laid
    laid.close()


@pytest.fixture
def bucket(server, cable, tmp_path, monkeypatch):
    """URL of an empty folder on the server, reached through the cable."""
    for name, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{cable.port}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem(endpoint_url=f"http://127.0.0.1:{server}").makedirs(BUCKET, exist_ok=True)
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def url(tmp_path):
    """URL of an empty folder in the memory of this process."""
    return f"memory://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def machine(url, tmp_path):
    """Opens the store in memory as a machine of this name does."""
    return lambda name: RemoteStore(url, tmp_path / name)


MEMORY = MemoryFileSystem()


def keep(store: Store, key: str, numbers=(1, 2, 3)) -> None:
    """Write a small run into a store."""
    with store.writing(key) as directory:
        (directory / "predictor").mkdir(exist_ok=True)
        (directory / "predictor" / "model.ckpt").write_bytes(os.urandom(200_000))
        write_results(directory, predictions([("en", 0, 1)] * len(numbers)).assign(a=list(numbers)))
        store.finish(directory, make_record(interruptions=numbers[0]))


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (PermissionError("Access Denied"), "denies access; it needs the rights .*Access Denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk of .*, the copy of .*, is full"),
        (TimeoutError("timed out"), "can't be reached: timed out. Finished runs are kept in"),
    ],
)
@pytest.mark.parametrize("call", ["cat_file", "get_file"])
def test_a_failure_is_named_and_is_not_damage(machine, monkeypatch, call, failure, message):
    keep(machine("one"), A)
    assert machine("other").get(A)  # without the weights

    def fail(*arguments, **settings):
        raise failure

    with monkeypatch.context() as patch, pytest.raises(KdbookError, match=message):
        patch.setattr(MemoryFileSystem, call, fail)
        machine("other").verify(A)
    assert machine("other").verify(A) == [] and machine("third").get(A)


def test_what_one_machine_keeps_another_reads(machine):
    one, other = machine("one"), machine("other")
    assert other.get(A) is None and list(other) == [] and other.keys() == []
    keep(one, A)
    run = other.get(A)
    assert run.record == one.get(A).record and run.predictions["a"].tolist() == [1, 2, 3]
    assert not (run.path / "predictor").exists()  # weights come when they are asked for
    weights = one.root / A / "predictor" / "model.ckpt"
    assert (run.predictor / "model.ckpt").read_bytes() == weights.read_bytes()
    assert other.verify(A) == [] and [run.key for run in machine("third")] == [A]


def test_the_first_of_two_markers_stays(machine, url):
    one, other = machine("one"), machine("other")
    with other.writing(A) as directory:  # looked when nothing was there
        keep(one, A, (1,))
        pd.DataFrame({"a": (2,)}).to_parquet(directory / "predictions.parquet")
        other.finish(directory, make_record())
    assert machine("third").get(A).predictions["a"].tolist() == [1]
    assert len(MEMORY.ls(f"{url}/{FILES}")) == 1


@pytest.mark.training
@pytest.mark.parametrize("url", ["s3://typo-in-the-name/runs", "s3://"])
def test_a_bucket_that_does_not_exist_is_named_before_anything_is_trained(bucket, tmp_path, url):
    store = RemoteStore(url, tmp_path / "one")
    for read in (lambda: store.get(A), store.keys, lambda: list(store)):
        with pytest.raises(KdbookError, match="'typo-in-the-name' .* does not exist|names no bucket"):
            read()


@pytest.mark.training
def test_two_that_send_at_once_leave_a_whole_run(bucket, tmp_path):
    stores = [RemoteStore(bucket, tmp_path / str(n)) for n in range(4)]
    threads = [threading.Thread(target=keep, args=(store, A, (n,))) for n, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reader = RemoteStore(bucket, tmp_path / "reader")
    run = reader.get(A)
    assert [run.measurements.interruptions] == run.predictions["a"].tolist()  # of one and the same writer
    assert run.predictor and reader.verify(A) == []


@pytest.mark.training
@pytest.mark.parametrize("after", [0, 300, 5_000, 50_000, 150_000])
def test_a_cut_connection_is_one_clear_line_and_nothing_is_lost(bucket, cable, tmp_path, after):
    one = RemoteStore(bucket, tmp_path / "one")
    cable.cut_after = after
    with pytest.raises(
        KdbookError, match=r"can't be reached: .*kept in .* and uploaded once it can"
    ) as raised:
        keep(one, A)
    assert cable.cuts and "\n" not in str(raised.value)
    cable.cut_after = None
    assert RemoteStore(bucket, tmp_path / "other").get(A) is None  # no half of it
    assert one.get(A).predictions["a"].tolist() == [1, 2, 3]  # is sent now
    other = RemoteStore(bucket, tmp_path / "third")
    assert other.get(A).measurements.interruptions == 1
    cable.cut_after = after
    with pytest.raises(KdbookError, match="can't be reached"):
        assert other.get(A).predictor and other.get(B)
    cable.cut_after = None
    assert other.get(A).predictor and other.verify(A) == []
    assert not list((other.root / "partial").iterdir())


@pytest.mark.parametrize("name", [RECORD, "predictor/model.ckpt"])
def test_what_was_changed_there_is_never_read(machine, url, name):
    keep(machine("one"), A)
    (folder,) = MEMORY.ls(f"{url}/{FILES}", detail=False)
    MEMORY.pipe_file(f"{folder}/{name}", MEMORY.cat_file(f"{folder}/{name}")[:-1] + b"!")
    other = machine("other")
    if name == RECORD:
        assert other.get(A) is None and "is not what was committed" in other.withdrawn[A]
    else:
        with pytest.raises(KdbookError, match=f"{name} of a+-.* is not what was committed"):
            assert other.get(A).predictor
        assert other.verify(A)
    assert not MEMORY.exists(f"{url}/{MARKERS}/{A}.json")


@pytest.mark.parametrize(
    "change",
    [
        lambda marker: {},
        lambda marker: marker | {"folder": f"../../{A}"},
        lambda marker: marker | {"layout": "99"},
        lambda marker: [marker],
    ],
)
def test_a_marker_that_is_none(machine, url, change):
    keep(machine("one"), A)
    marker = f"{url}/{MARKERS}/{A}.json"
    MEMORY.pipe_file(marker, json.dumps(change(json.loads(MEMORY.cat_file(marker)))).encode())
    with pytest.raises(KdbookError, match="the commit marker of the run a+ in .* can't be read"):
        machine("other").get(A)


def test_a_removed_run_is_gone_everywhere(machine, url):
    keep(machine("one"), A)
    machine("one").remove(A)
    assert machine("one").get(A) is None and machine("other").get(A) is None
    assert not MEMORY.find(f"{url}/{FILES}")


def test_a_run_damaged_here_is_copied_anew(machine):
    keep(machine("one"), A)
    (machine("one").root / A / "predictor" / "model.ckpt").write_bytes(b"!")
    assert machine("one").verify(A)
    assert machine("one").get(A).predictor and machine("one").verify(A) == []


def test_an_export_holds_the_weights(machine, tmp_path):
    keep(machine("one"), KEY)
    archive.export([machine("other").get(KEY)], tmp_path / "runs.zip")
    archive.import_runs(tmp_path / "runs.zip", target := Store(tmp_path / "target"))
    assert target.verify(KEY) == []


def test_urls_that_lead_nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("KDBOOK_STORE", "nothing://bucket")
    with pytest.raises(KdbookError, match="the run store nothing://bucket can't be used"):
        open_store().get(A)


@pytest.mark.training
def test_two_builds_at_once_on_machines_of_their_own_end_alike(bucket, smoke, tmp_path):
    """Each distils from teachers that it may not have trained; what a third reads is whole, and that of one process."""
    few = str(few_profile(tmp_path))
    with ThreadPoolExecutor() as pool:
        places = [tmp_path / name for name in ("first", "second")]
        done = list(pool.map(lambda place: _build(place, bucket, few), places))
    assert all(f"{FEW_RUNS} runs, {FEW_RUNS} to train" in said for said in done)
    reader = RemoteStore(bucket, tmp_path / "reader")
    opened = Study(profile.load(few), reader)
    assert opened.missing() == [] and len(reader.keys()) == FEW_RUNS
    for spec, run in opened.completed_runs():
        pd.testing.assert_frame_equal(run.predictions, smoke.get_or_train(spec.name).predictions)
        assert reader.verify(run.key) == []


def _build(cache: Path, bucket: str, settings: str) -> str:
    command = [sys.executable, "-m", "kdbook.cli", "run", "--profile", settings, "--jobs", "1"]
    environment = os.environ | {"KDBOOK_STORE": bucket, "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr
