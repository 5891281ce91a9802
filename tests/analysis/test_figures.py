"""Every figure is drawn with what it promises to show."""

import pandas as pd
import pytest
from runs import make_arms

from kdbook.analysis import canvas, comparisons, fidelity, figures
from kdbook.analysis.cascade import cascade_table
from kdbook.data import load
from kdbook.settings import profile
from kdbook.settings.data import Columns, Data
from kdbook.study.arms import Arms


@pytest.fixture
def arms(tmp_path) -> Arms:
    """Two teachers, and two students of each arm."""
    return make_arms(tmp_path, 0.9, 0.6, 0.7, seeds=2)


@pytest.fixture(scope="module")
def data():
    return load(profile.load("smoke").data)


def test_score_by_language_has_a_dot_for_each_run(arms):
    axes = figures.score_by_language(arms).axes[0]
    dots = sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == "o")
    assert dots == 3 * (2 + 2 + 2)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(arms)
    assert len(axes.collections) == 3 * (3 + 1)  # an interval for each arm and test set, and the linear model


@pytest.mark.parametrize(
    "figure",
    [
        figures.score_by_language,
        figures.learning_curves,
        lambda arms: figures.calibration_curves(arms, load(profile.load("smoke").data)),
        figures.score_against_latency,
    ],
)
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


def test_agreement_has_a_dot_for_each_student(arms):
    axes = figures.agreement(arms).axes[0]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert sum(len(line.get_xdata()) for line in dots) == 3 * (2 + 2)
    assert fidelity.fidelity(arms).loc["distilled", "agreement (test)"] == pytest.approx(
        dots[3].get_ydata().mean()
    )


def test_learning_curves_have_a_line_for_each_run(arms):
    assert len(figures.learning_curves(arms).axes[0].lines) == 2 + 2 + 2 + 2  # the floors


def test_edits_have_a_row_each(arms):
    table = pd.DataFrame(
        {arm: [0.5, 0.9] for arm in arms}, index=pd.MultiIndex.from_tuples([(0, "swap"), (1, "same")])
    )
    axes = figures.by_edit(table.assign(pairs=3)).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["swap (different)", "same (same)"]


def test_surface_cues_have_a_curve_for_each_class_and_an_opaque_background(data):
    figure = figures.surface_cues(data)
    assert len(figure.axes[0].patches) == 2
    assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)


def test_calibration_latency_and_differences(arms, data):
    assert len(figures.calibration_curves(arms, data).axes[0].lines) == 1 + sum(map(len, arms.values()))
    dots = sum(len(line.get_xdata()) for line in figures.score_against_latency(arms).axes[0].lines)
    assert dots == 2 + 2 + 2 + 1
    table = comparisons.differences_between(arms, [("baseline", "distilled")])
    labels = figures.differences(table).axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == ["distilled − baseline"]


def test_confidence_names_the_accuracy_on_both_kinds_of_rows(arms):
    legend = figures.confidence(arms.teachers[0]).axes[0].get_legend()
    accuracy = f"{(arms.teachers[0].predictions.eval('prediction == label')).mean():.3f}"
    assert [text.get_text() for text in legend.get_texts()] == [
        f"training rows: accuracy {accuracy}",
        f"test rows: accuracy {accuracy}",
    ]


def test_a_cascade_has_a_line_for_each_student_and_their_mean(arms):
    table = cascade_table(arms)
    assert len(figures.cascade(table).axes[0].lines) == len(arms.distilled) + 1


def test_sizes_are_written_at_the_bars():
    table = pd.DataFrame({"model": ["large", "small"], "size (MB)": [4.0, 1.0]})
    assert [text.get_text() for text in figures.sizes(table).axes[0].texts] == ["4.00", "1.00"]


@pytest.mark.training
def test_gradients_are_those_of_the_losses():
    """Against automatic differentiation of cross-entropies, as AutoMM computes them for two answers."""
    import torch

    teacher, label, temperature, hard_weight, soft_weight = 1.5, 1, 3.0, 0.7, 2.0
    student = torch.linspace(-6, 6, 121, requires_grad=True)
    logits = torch.stack([torch.zeros_like(student), student], dim=1)
    hard = torch.nn.functional.cross_entropy(logits, torch.full((121,), label), reduction="sum")
    target = torch.softmax(torch.tensor([0.0, teacher]) / temperature, 0).expand(121, 2)
    soft = torch.nn.functional.cross_entropy(logits / temperature, target, reduction="sum")
    (hard_weight * hard + soft_weight * soft).backward()
    figure = figures.gradients(teacher, label, temperature, hard_weight, soft_weight)
    *_, total, _ = figure.axes[1].lines
    assert total.get_label() == "sum"
    assert total.get_ydata() == pytest.approx(student.grad.numpy(), abs=1e-5)


def many_classes(number: int, tmp_path):
    rows = [{"text": f"text {n} " * (n % 5 + 1), "label": f"_class {n % number}"} for n in range(10 * number)]
    pd.DataFrame(rows).to_csv(tmp_path / "rows.csv", index=False)
    columns = Columns(texts=("text",), label="label")
    return load(Data(source=str(tmp_path / "rows.csv"), columns=columns, languages=("en",)))


@pytest.mark.parametrize(("classes", "entries"), [(3, 3), (7, 7), (77, 7)])
def test_any_number_of_classes_fits(tmp_path, recwarn, classes, entries):
    figure = figures.surface_cues(many_classes(classes, tmp_path))
    figure.savefig(tmp_path / "figure.svg")
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert len(names) == entries and names[0].startswith("_class ")
    assert (names[-1] == "71 other classes") == (classes == 77)
    assert not [warning for warning in recwarn.list if issubclass(warning.category, UserWarning)]


def test_characters_that_no_font_has_are_named_in_one_line(capsys, monkeypatch, recwarn):
    monkeypatch.setattr(canvas, "_families", lambda characters: (("DejaVu Sans",), frozenset("负")))
    figure, axes = canvas.empty(3, 2)
    axes.set_title("负")
    canvas.finished(figure).savefig("/dev/null", format="svg")
    assert capsys.readouterr().out.count("\n") == 1 and not recwarn.list
