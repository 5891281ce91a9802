"""Every figure is drawn with what it promises to show."""

import pytest
from runs import make_arms

from kdbook.pages import figures
from kdbook.study.arms import Arms


@pytest.fixture
def arms(tmp_path) -> Arms:
    """Two teachers, and two students of each arm."""
    return make_arms(tmp_path, 0.9, 0.6, 0.7, seeds=2)


def test_score_by_language_has_a_dot_for_each_run(arms):
    figure = figures.score_by_language(arms)
    axes = figure.axes[0]
    assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
    dots = sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == "o")
    assert dots == 3 * (2 + 2 + 2)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(arms)
    assert len(axes.collections) == 3 * (3 + 1)  # an interval for each arm and test set, and the linear model


@pytest.mark.parametrize("figure", [figures.score_by_language, figures.learning_curves])
def test_any_number_of_arms_can_be_told_apart(tmp_path, figure):
    others = {f"variation-{number}": 0.6 for number in range(12)}
    axes = figure(make_arms(tmp_path, 0.9, 0.6, 0.7, seeds=1, **others)).axes[0]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    handles = [
        handle
        for handle, name in zip(axes.get_legend().legend_handles, names, strict=True)
        if name != "linear"
    ]
    shown = [(handle.get_color(), handle.get_marker()) for handle in handles]
    assert set(others) <= set(names) and len(set(shown)) == len(shown) >= 13


def test_languages_without_labels_have_a_background(arms):
    axes = figures.score_by_language(arms, ["de"]).axes[0]
    assert "without labels" in [text.get_text() for text in axes.get_legend().get_texts()]


def test_learning_curves_have_a_line_for_each_run(arms):
    assert len(figures.learning_curves(arms).axes[0].lines) == 2 + 2 + 2 + 2  # the floors


def test_characters_that_no_font_has_are_named_in_one_line(capsys, monkeypatch, recwarn):
    monkeypatch.setattr(figures, "_families", lambda characters: (("DejaVu Sans",), frozenset("负")))
    figure, axes = figures.empty(3, 2)
    axes.set_title("负")
    figures.finished(figure).savefig("/dev/null", format="svg")
    assert capsys.readouterr().out.count("\n") == 1 and not recwarn.list
