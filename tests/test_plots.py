"""Every figure is drawn with what it promises to show."""

import pytest
import torch

from kdbook import evaluate, plots


def test_accuracy_by_language_has_a_dot_for_each_run(smoke):
    arms = {arm: smoke.runs(arm) for arm in ("teacher", "baseline", "distilled")}
    axes = plots.accuracy_by_language(arms).axes[0]
    dots = sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == "o")
    assert dots == 3 * (1 + 2 + 2)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(arms)
    assert len(axes.collections) == 3 * 3  # an interval for each arm and test set


def test_agreement_has_a_dot_for_each_student(smoke):
    arms = {arm: smoke.runs(arm) for arm in ("teacher", "baseline", "distilled")}
    axes = plots.agreement(arms).axes[0]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert sum(len(line.get_xdata()) for line in dots) == 3 * (2 + 2)
    assert evaluate.fidelity(arms).loc["distilled", "agreement (test)"] == pytest.approx(dots[3].get_ydata().mean())


def test_learning_curves_by_edit_and_surface(smoke):
    arms = {arm: smoke.runs(arm) for arm in ("teacher", "baseline")}
    assert len(plots.learning_curves(arms).axes[0].lines) == 1 + 2 + 1
    table = evaluate.by_edit(arms, smoke.data)
    assert len(plots.by_edit(table).axes[0].get_yticklabels()) == len(table)
    assert len(plots.surface(smoke.data).axes[0].patches) == 2


def test_figures_have_an_opaque_ground(smoke):
    assert plots.surface(smoke.data).get_facecolor() == (1.0, 1.0, 1.0, 1.0)


def test_reliability_latency_and_differences(smoke):
    arms = {arm: smoke.runs(arm) for arm in ("teacher", "baseline", "distilled")}
    assert len(plots.reliability(arms, smoke.data).axes[0].lines) == 1 + 3
    dots = sum(len(line.get_xdata()) for line in plots.accuracy_against_latency(arms).axes[0].lines)
    assert dots == 1 + 2 + 2
    table = evaluate.contrasts(arms, [("baseline", "distilled")])
    assert [label.get_text() for label in plots.differences(table).axes[0].get_yticklabels()] == ["distilled − baseline"]


def test_gradients_are_those_of_the_losses():
    """Against automatic differentiation of cross-entropies, as AutoMM computes them for two answers."""
    teacher, label, temperature, hard_weight, soft_weight = 1.5, 1, 3.0, 0.7, 2.0
    student = torch.linspace(-6, 6, 121, requires_grad=True)
    logits = torch.stack([torch.zeros_like(student), student], dim=1)
    hard = torch.nn.functional.cross_entropy(logits, torch.full((121,), label), reduction="sum")
    target = torch.softmax(torch.tensor([0.0, teacher]) / temperature, 0).expand(121, 2)
    soft = torch.nn.functional.cross_entropy(logits / temperature, target, reduction="sum")
    (hard_weight * hard + soft_weight * soft).backward()
    figure = plots.gradients(teacher, label, temperature, hard_weight, soft_weight)
    *_, total, _ = figure.axes[1].lines
    assert total.get_label() == "sum"
    assert total.get_ydata() == pytest.approx(student.grad.numpy(), abs=1e-5)
