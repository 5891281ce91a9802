"""A terminal shows bars, a log and a notebook get a line now and then."""

import pytest

from kdbook.execution import progress
from kdbook.execution.forecast import Event, Forecast, PlannedRun
from kdbook.execution.progress import Reporter


def reporter(*names: str) -> Reporter:
    return Reporter(Forecast([PlannedRun(name, None, "encoder", 1.0, None) for name in names], 1))


def test_lines_name_the_run_and_who_trained_it(capfd):
    with reporter("a", "b") as shown:
        shown.show(Event("a", 0.0))
        shown.finished("a", 12.3)
        shown.show(Event("b", None))
        shown.finished("b", None)
    assert capfd.readouterr().err.splitlines() == [
        "run 1 of 2: a finished in 12 s",
        "waiting for another process that trains b",
        "run 2 of 2: b was trained by another process",
    ]


def test_a_log_gets_a_line_now_and_then(capfd, monkeypatch):
    with reporter("a", "b") as shown:
        shown.show(Event("a", 0.1, 20.0))
        assert not capfd.readouterr().err
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
        shown.show(Event("a", 0.5, 40.0))
    assert capfd.readouterr().err == "training a 50%; about 75 s left\n"


@pytest.mark.parametrize("name", ["[bold]a[/bold]", ":smile:", "a" * 200])
def test_a_terminal_shows_names_as_they_are(name, capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "400")
    with reporter(name) as shown:
        shown.show(Event(name, 0.5, 10.0))
        shown.bars.refresh()
        assert name in capfd.readouterr().err
        shown.finished(name, 20.0)
    assert f"run 1 of 1: {name} finished in 20 s" in capfd.readouterr().err
