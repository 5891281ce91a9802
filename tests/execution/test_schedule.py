"""Every executor gets a run after its teacher, and its failures end the training in one line."""

from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager

import pytest
from runs import make_record

from kdbook.errors import KdbookError
from kdbook.execution import schedule
from kdbook.execution.forecast import Event
from kdbook.settings import profile
from kdbook.store.local import Store
from kdbook.study.study import Study


class Workers:
    """An executor that puts runs into the store untrained; those of ``broken`` lose their process."""

    slots = 2

    def __init__(self, study: Study, broken: str = "") -> None:
        self.study, self.broken = study, broken
        self.submitted: list[str] = []
        self.reported: list[Event] = []

    def submit(self, name: str) -> Future[bool]:
        self.submitted.append(name)
        self.reported.append(Event(name, 0.5, 1.0))
        future: Future[bool] = Future()
        if name == self.broken:
            future.set_exception(BrokenExecutor())
        else:
            spec = self.study.specs[name]
            identity = self.study.resolve(spec).identity
            with self.study.store.writing(identity.key) as directory:
                record = make_record(name, spec).model_copy(update={"identity": identity})
                self.study.store.finish(directory, record)
            future.set_result(True)
        return future

    def events(self) -> Iterator[Event]:
        while self.reported:
            yield self.reported.pop()


@pytest.fixture
def study(tmp_path) -> Study:
    return Study(profile.load("smoke"), Store(tmp_path))


def train(study: Study, workers: Workers) -> None:
    @contextmanager
    def executor(study: Study, jobs: int) -> Iterator[Workers]:
        yield workers

    schedule.train_all(study, study.status(), executor, 2)


def test_every_run_follows_its_teacher(study, capfd):
    train(study, workers := Workers(study))
    assert sorted(workers.submitted) == sorted(study.specs)
    for name, spec in study.specs.items():
        assert not spec.teacher or workers.submitted.index(spec.teacher) < workers.submitted.index(name)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == len(study.specs) and not study.missing()


def test_a_lost_process_is_one_line_that_names_its_run(study):
    with pytest.raises(KdbookError, match=r"a process that trained baseline-0 was killed.*--jobs 1"):
        train(study, Workers(study, broken="baseline-0"))
    assert "teacher-0" in [spec.name for spec, _ in study.completed_runs()]


def test_machines_that_do_not_share_the_store_are_told_apart_from_a_failure(study, monkeypatch):
    workers = Workers(study)
    monkeypatch.setattr(study.store, "finish", lambda directory, record: None)
    with pytest.raises(KdbookError, match="was trained, but is not in the store"):
        train(study, workers)
