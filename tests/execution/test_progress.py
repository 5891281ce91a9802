"""The time that is left is judged by what is known."""

import pytest

from kdbook.execution.progress import Reporter, duration
from kdbook.settings import environment


def test_nothing_is_known_at_the_start():
    assert Reporter({"a": None, "b": None}, 2).seconds_left() is None


def test_expected_times_count_less_what_is_done_and_are_shared_by_the_jobs():
    reporter = Reporter({"a": 100.0, "b": 60.0}, 2)
    assert reporter.seconds_left() == 80
    reporter.run_started("a")
    reporter.update("a", 0.5, 1.0)
    assert reporter.seconds_left() == 55
    reporter.run_finished("a", True)
    assert reporter.seconds_left() == 30


def test_a_run_like_others_takes_what_they_took():
    reporter = Reporter({"a": 40.0, "b": None}, 1)
    assert reporter.seconds_left() == 80


def test_lines_name_the_run_and_who_trained_it(capfd):
    reporter = Reporter({"a": None, "b": None}, 1)
    for name, here in (("a", True), ("b", False)):
        reporter.run_started(name)
        reporter.run_finished(name, here)
    reporter.run_waiting("c")
    said = capfd.readouterr().err.splitlines()
    assert said == [
        "run 1 of 2: a finished in 0 s",
        "run 2 of 2: b was trained by another process",
        "waiting for another process that trains c",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "an unknown time"), (90, "about 90 s"), (600, "about 10 min")]
)
def test_duration(seconds, words):
    assert duration(seconds) == words


def test_a_notebook_gets_one_bar_that_a_last_line_replaces(monkeypatch, capfd):
    shown: list[str] = []

    class Handle:
        def update(self, html) -> None:
            shown.append(html.data)

    monkeypatch.setattr(environment, "notebook_shell", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda html, display_id: Handle())
    with Reporter({"a": 10.0}, 1) as reporter:
        reporter.run_started("a")
        reporter.update("a", 0.5, 1.0)
        reporter.run_finished("a", True)
    assert '<progress max="1" value="0.500"' in shown[0] and "about 5 s left" in shown[0]
    assert shown[-1].startswith("trained 1 of 1 runs")
    assert capfd.readouterr().err == ""
