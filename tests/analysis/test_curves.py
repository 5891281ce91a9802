"""Points of a curve are means and differences of runs, and sentences about it follow from them."""

import numpy as np
import pytest
from runs import make_arms

from kdbook.analysis import comparisons, curves, figures
from kdbook.analysis.curves import ALL_LABELS, LANGUAGES, NOISE, UNLABELLED, Curve
from kdbook.analysis.metrics import accuracy
from kdbook.settings.arms import PSEUDO_LABELS

BASELINE, TRANSFER = "baseline", "transfer"


@pytest.fixture(scope="module")
def doses(tmp_path_factory):
    """Transfer without an effect, then with one; pseudo-labels always the same; all labels best."""
    found = {}
    for dose, transfer in (("0", 0.6), ("100", 0.75)):
        others = {TRANSFER: transfer, PSEUDO_LABELS: transfer, ALL_LABELS: 0.95}
        students = make_arms(tmp_path_factory.mktemp("arms"), 0.9, 0.6, 0.6, **others)
        found[dose] = ({}, students)
    return found


@pytest.fixture(scope="module")
def curve(doses) -> Curve:
    return curves.summarize(doses)


def test_a_point_summarizes_its_runs(doses, curve):
    point, (_, arms) = curve.points[1], doses["100"]
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


def test_sentences_name_the_doses_only_where_the_difference_varies_with_them(curve):
    assert curves.compared(curve, BASELINE, TRANSFER).startswith(
        "Compared with *baseline*, *transfer* is **significantly better** at 100 and "
        "**not shown to differ** at 0. The difference varies between the points (p "
    )
    alike = curves.compared(curve, PSEUDO_LABELS, TRANSFER)
    assert (
        "**inconclusive** on average over the points" in alike and "varies between the points is not" in alike
    )
    assert "**significantly better** at every point" in curves.compared(curve, TRANSFER, ALL_LABELS)
    assert curves.conclusions(curve).count("\n- ") == 2


def test_the_average_over_the_doses_is_that_of_their_differences(curve):
    for name, by_test in curve.overall.items():
        for test, estimate in by_test.items():
            values = [point.differences[name][test].value for point in curve.points]
            assert estimate.value == pytest.approx(sum(values) / len(values))


def test_a_constant_effect_is_not_split_into_doses_that_have_it_and_doses_that_lack_it():
    """Of studies with the same gain at five doses, at most one in twenty finds that it varies, as by chance."""
    rng, studies = np.random.default_rng(0), 400
    found = 0
    for _ in range(studies):
        differences = 0.08 + rng.normal(0, 0.015, (5, 3)) + rng.normal(0, 0.01, (1, 3))
        found += curves.p_of_varying(differences) < 0.05
    assert found / studies <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / studies)
    assert curves.p_of_varying(np.array([[0.1, 0.11, 0.1], [0.1, 0.12, 0.1], [0.3, 0.32, 0.31]])) < 0.001
    assert curves.p_of_varying(np.full((3, 3), 0.1)) == 1 and curves.p_of_varying(np.eye(2)[[0, 0]]) == 1


def test_the_table_has_a_row_for_each_dose(curve):
    table = curves.table(curve, "items")
    assert table["items"].tolist() == ["0", "100"]
    assert len(table.columns) == 1 + len(curves.COMPARED)


def test_the_figure_has_a_line_for_each_arm_and_a_panel_for_each_test(curve, doses):
    figure = figures.dose_response(curve, "items", ("en", "de"))
    assert [axes.get_title() for axes in figure.axes] == ["English", "German"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(doses["100"][1])


def test_the_shipped_record_has_the_three_curves():
    record = curves.load("embedded")
    assert list(record) == [UNLABELLED, LANGUAGES, NOISE]
    for shipped in record.values():
        assert len({point.dose for point in shipped.points}) == len(shipped.points) >= 3
    assert curves.load("pawsx") == {}
