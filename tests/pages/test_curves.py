"""Points of a curve are means and differences of runs, and sentences about it follow from them."""

import pytest
from runs import make_arms

from kdbook.pages import curves, figures
from kdbook.pages.curves import ALL_LABELS, LANGUAGES, NOISE, PSEUDO_LABELS, UNLABELLED
from kdbook.stats import comparisons
from kdbook.stats.metrics import accuracy

BASELINE, TRANSFER = "baseline", "transfer"


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    """Transfer without an effect, then with one; pseudo-labels always a little worse; all labels best."""
    doses = {}
    for dose, transfer in (("0", 0.6), ("100", 0.75)):
        others = {TRANSFER: transfer, PSEUDO_LABELS: transfer, ALL_LABELS: 0.95}
        students = make_arms(tmp_path_factory.mktemp("arms"), 0.9, 0.6, 0.6, **others)
        doses[dose] = ({}, students)
    return list(zip(curves.summarize(doses), (arms for _, arms in doses.values()), strict=True))


def test_a_point_summarizes_its_runs(points):
    point, arms = points[1]
    for arm, runs in arms.items():
        accuracies = [accuracy(run.predictions) for run in runs]
        for test, interval in point.accuracy[arm].items():
            assert interval.value == pytest.approx(sum(each[test] for each in accuracies) / len(runs))
            assert interval.low <= interval.value <= interval.high
    expected = comparisons.difference_between(arms[BASELINE], arms[TRANSFER], "de")
    shown = point.differences["transfer − baseline"]["de"]
    assert shown.value == pytest.approx(expected.value)
    assert shown.high - shown.low == pytest.approx(expected.high - expected.low, rel=0.5)
    assert set(point.keys) == {run.name for runs in arms.values() for run in runs}


def test_sentences_name_the_doses(points):
    curve = [point for point, _ in points]
    assert curves.compared(curve, BASELINE, TRANSFER) == (
        "Compared with *baseline*, *transfer* is **significantly better** at 100 and "
        "**not shown to differ** at 0."
    )
    assert "**not shown to differ** at any point" in curves.compared(curve, PSEUDO_LABELS, TRANSFER)
    assert "**significantly better** at every point" in curves.compared(curve, TRANSFER, ALL_LABELS)
    assert curves.conclusions(curve).count("\n- ") == 2


def test_the_table_has_a_row_for_each_dose(points):
    table = curves.table([point for point, _ in points], "items")
    assert table["items"].tolist() == ["0", "100"]
    assert len(table.columns) == 1 + len(curves.COMPARED)


def test_the_figure_has_a_line_for_each_arm_and_a_panel_for_each_test(points):
    figure = figures.dose_response([point for point, _ in points], "items", ("en", "de"))
    assert [axes.get_title() for axes in figure.axes] == ["English", "German"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(points[0][1])


def test_the_shipped_record_has_the_three_curves():
    record = curves.load("embedded")
    assert list(record) == [UNLABELLED, LANGUAGES, NOISE]
    for curve in record.values():
        assert len({point.dose for point in curve}) == len(curve) >= 3
    assert curves.load("pawsx") == {}
