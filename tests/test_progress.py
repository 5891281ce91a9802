"""The time that is left is judged by what is known."""

import pytest

from kdbook import notebook
from kdbook.progress import Meter, duration
from kdbook.train import Progress


def test_nothing_is_known_at_the_start():
    assert Meter({"a": None, "b": None}, 2).left() is None


def test_expected_times_count_less_what_is_done_and_are_shared_by_the_jobs():
    meter = Meter({"a": 100.0, "b": 60.0}, 2)
    assert meter.left() == 80
    meter.started("a")
    meter.hear("a", Progress(5, 10, 1.0))
    assert meter.left() == 55
    meter.finished("a", here=True)
    assert meter.left() == 30


def test_a_run_like_others_takes_what_they_took():
    meter = Meter({"a": 40.0, "b": None}, 1)
    assert meter.left() == 80


def test_lines_name_the_run_and_who_trained_it(capfd):
    meter = Meter({"a": None, "b": None}, 1)
    for name, here in (("a", True), ("b", False)):
        meter.started(name)
        meter.finished(name, here)
    meter.hear("c", None)
    said = capfd.readouterr().err.splitlines()
    assert said == [
        "run 1 of 2: a finished in 0 s",
        "run 2 of 2: b was trained by another process",
        "waiting for another process that trains c",
    ]


@pytest.mark.parametrize(("seconds", "words"), [(None, "an unknown time"), (90, "about 90 s"), (600, "about 10 min")])
def test_duration(seconds, words):
    assert duration(seconds) == words


def test_a_notebook_gets_one_bar_that_a_last_line_replaces(monkeypatch, capfd):
    shown: list[str] = []

    class Handle:
        def update(self, html) -> None:
            shown.append(html.data)

    monkeypatch.setattr(notebook, "shell", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda html, display_id: Handle())
    with Meter({"a": 10.0}, 1) as meter:
        meter.started("a")
        meter.hear("a", Progress(5, 10, 1.0))
        meter.finished("a", here=True)
    assert '<progress max="1" value="0.500"' in shown[0] and "about 5 s left" in shown[0]
    assert shown[-1].startswith("trained 1 of 1 runs")
    assert capfd.readouterr().err == ""
