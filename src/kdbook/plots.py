"""Figures of the book, in one style: colour-blind safe, on an opaque ground that is legible in light and dark theme."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kdbook import costs, notebook, stats
from kdbook.data import TextData, word_counts, word_overlap
from kdbook.evaluate import LANGUAGE_NAMES, claims, constant, fidelity_by_run, mean_accuracies, scores
from kdbook.store import Run

# Okabe and Ito (2008), "Color Universal Design"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
STYLE: dict[str, Any] = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "font.size": 11,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "kdbook",
}
CHANCE = 0.5


def accuracy_by_language(arms: Mapping[str, Sequence[Run]], unseen: Sequence[str] = ()) -> Figure:
    """A dot for each run and a bar at each arm's mean with its 95 % interval, side by side for every test set.

    The ``unseen`` languages, which no model was trained on, stand on a grey ground.
    """
    table = scores(arms)
    tests, names = list(dict.fromkeys(table["test"])), list(arms)
    figure, axes = _figure(max(7, 1.2 * len(tests)), 3.6)
    for place, test in enumerate(tests):
        means = mean_accuracies(arms, test)
        for number, arm in enumerate(names):
            values = table["accuracy"][(table["arm"] == arm) & (table["test"] == test)]
            x = place + (number - (len(names) - 1) / 2) * 0.22
            _dots_and_mean(axes, x, values, COLOURS[number], arm if place == 0 else None)
            axes.vlines(x, max(means[arm].low, 0), min(means[arm].high, 1), color=COLOURS[number], linewidth=1)
        if test in unseen:
            axes.axvspan(place - 0.45, place + 0.45, color="grey", alpha=0.15, label="never trained on" if test == unseen[0] else None)
    _constant(axes.axhline, arms)
    axes.set_xticks(range(len(tests)), [LANGUAGE_NAMES.get(test, test) for test in tests])
    axes.set_ylabel("accuracy")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.18), ncols=len(names) + bool(unseen), frameon=False)
    return figure


def _constant(line: Callable, arms: Mapping[str, Sequence[Run]]) -> None:
    """A line at the accuracy of always giving the most frequent answer."""
    line(constant(next(iter(arms.values()))[0].predictions), color="grey", linestyle=":", linewidth=1)


def learning_curves(arms: Mapping[str, Sequence[Run]]) -> Figure:
    """Validation accuracy after each epoch against the seconds spent, a line for each run."""
    figure, axes = _figure(7, 3.6)
    for number, (arm, runs) in enumerate(arms.items()):
        for index, run in enumerate(runs):
            curve = run.history
            axes.plot(
                curve["seconds"], curve["validation_accuracy"], "o-", color=COLOURS[number], alpha=0.8, label=arm if index == 0 else None
            )
    _constant(axes.axhline, arms)
    axes.set_xlabel("seconds of training")
    axes.set_ylabel("validation accuracy")
    axes.legend(frameon=False)
    return figure


def by_edit(table: pd.DataFrame) -> Figure:
    """Accuracy of each arm for every kind of edit; ``table`` is that of :func:`kdbook.evaluate.by_edit`."""
    arms = [column for column in table.columns if column != "pairs"]
    figure, axes = _figure(7, 0.34 * len(table) + 1.2)
    rows = range(len(table))
    for number, arm in enumerate(arms):
        axes.plot(table[arm], rows, "o", color=COLOURS[number], markersize=8, label=arm)
    axes.axvline(CHANCE, color="grey", linestyle=":", linewidth=1)
    meaning = {0: "different", 1: "same"}
    axes.set_yticks(rows, [f"{edit} ({meaning[label]})" for label, edit in table.index])
    axes.set_xlabel("accuracy")
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, 1.0 + 0.6 / len(table)), ncols=len(arms), frameon=False)
    return figure


def surface(data: TextData) -> Figure:
    """What the outside of the training rows tells: for each class, the share of words that two texts have in common, or how long one is."""
    train = data["train"]
    figure, axes = _figure(7, 3)
    if data.pairs:
        values, bins = word_overlap(train), np.linspace(0, 1, 21)
        axes.set_xlabel("words shared / all words of the pair")
    else:
        values = word_counts(train)
        bins = np.linspace(0, values.max(), min(21, int(values.max()) + 1))
        axes.set_xlabel("words")
    for label, name in enumerate(data.meanings):
        axes.hist(values[train["label"] == label], bins, histtype="step", linewidth=2, color=COLOURS[label % len(COLOURS)], label=name)
    axes.set_ylabel("rows")
    axes.legend(frameon=False, loc="upper left" if data.pairs else "best")
    return figure


def agreement(arms: Mapping[str, Sequence[Run]]) -> Figure:
    """How often each student gives its teacher's answer: on test rows, on those that the teacher answers wrongly, in training."""
    table = fidelity_by_run(arms)
    kinds = {"agreement (test)": "all test rows", "where it errs": "where the teacher errs", "agreement (train)": "training rows"}
    names = list(dict.fromkeys(table.index))
    figure, axes = _figure(7, 3)
    for number, arm in enumerate(names, 1):  # colour 0 is the teacher's
        for place, kind in enumerate(kinds):
            values = table.loc[[arm], kind]
            x = place + (number - 1.5) * 0.3
            _dots_and_mean(axes, x, values, COLOURS[number], arm if place == 0 else None)
    axes.set_xticks(range(len(kinds)), list(kinds.values()))
    axes.set_ylabel("same answer as the teacher")
    axes.legend(frameon=False)
    return figure


def _dots_and_mean(axes: Axes, x: float, values: pd.Series, colour: str, label: str | None) -> None:
    """A dot for each run, and a bar at their mean."""
    axes.plot([x] * len(values), values, "o", color=colour, alpha=0.55, markersize=5)
    axes.plot([x - 0.08, x + 0.08], [values.mean()] * 2, color=colour, linewidth=3, label=label)


def reliability(arms: Mapping[str, Iterable[Run]], data: TextData) -> Figure:
    """How often what a model claims is true, against the probability that it gives to that, over all runs of each arm.

    Of two classes the claim is that a row is of the second, of more classes that the answer is right.
    """
    figure, axes = _figure(5, 4.4)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    for number, (arm, runs) in enumerate(arms.items()):
        table = stats.reliability(*claims(pd.concat([run.predictions for run in runs])))
        axes.plot(table["probability"], table["share"], "o-", color=COLOURS[number], label=arm)
    claim = f"“{data.meanings[1]}”" if len(data.classes) == 2 else "the answer"
    axes.set_xlabel(f"probability given to {claim}")
    axes.set_ylabel("share in which that is true")
    axes.legend(frameon=False)
    return figure


def accuracy_against_latency(arms: Mapping[str, Sequence[Run]]) -> Figure:
    """A dot for each run: how long one answer takes, and how often it is right."""
    table = costs.accuracy_and_latency(arms)
    figure, axes = _figure(7, 3.6)
    for number, arm in enumerate(arms):
        rows = table[table["arm"] == arm]
        axes.plot(rows["milliseconds"], rows["accuracy"], "o", color=COLOURS[number], markersize=8, alpha=0.7, label=arm)
    axes.set_xlim(left=0)
    axes.set_xlabel("milliseconds for one row (tokenizing and forward pass)")
    axes.set_ylabel("accuracy")
    axes.legend(frameon=False)
    return figure


def gradients(teacher: float, label: int, temperature: float, hard_weight: float, soft_weight: float) -> Figure:
    """What a student of two answers is drawn to by AutoMM's hard and soft loss terms (``optim/losses/``), and how hard.

    Logits are differences between those of the answers 1 and 0. Left the targets; right the derivatives of both terms and of
    their sum after the student's logit. The script ``loss-explorer.js`` of the site draws the same.
    """
    figure, (targets, pulls) = _figure(7.4, 3.2, columns=2)
    shares = {
        "label": float(label),
        "teacher": float(_sigmoid(teacher)),
        f"teacher at T = {temperature:g}": _sigmoid(teacher / temperature),
    }
    targets.barh(list(shares), list(shares.values()), color=[COLOURS[0], COLOURS[5], COLOURS[1]])
    targets.set_xlim(0, 1)
    targets.invert_yaxis()
    targets.set_xlabel("probability of answer 1")
    student = np.linspace(-6, 6, 121)
    hard = hard_weight * (_sigmoid(student) - label)
    soft = soft_weight / temperature * (_sigmoid(student / temperature) - _sigmoid(teacher / temperature))
    for number, (name, pull) in enumerate({"hard": hard, "soft": soft, "sum": hard + soft}.items()):
        pulls.plot(student, pull, color=COLOURS[number], linewidth=2, label=name)
    pulls.axhline(0, color="grey", linestyle=":", linewidth=1)
    pulls.set_xlabel("student's logit")
    pulls.set_ylabel("gradient")
    pulls.legend(frameon=False)
    return figure


def _sigmoid(logit: Any) -> Any:
    return 1 / (1 + np.exp(-logit))


def differences(table: pd.DataFrame) -> Figure:
    """Differences with their intervals, one below the other; ``table`` is that of :func:`kdbook.evaluate.contrasts`."""
    figure, axes = _figure(7, 0.42 * len(table) + 1)
    rows = range(len(table), 0, -1)
    ends = [100 * (table["value"] - table["low"]), 100 * (table["high"] - table["value"])]
    axes.errorbar(100 * table["value"], list(rows), xerr=ends, fmt="o", color=COLOURS[0], capsize=3)
    axes.axvline(0, color="grey", linestyle=":", linewidth=1)
    axes.set_yticks(list(rows), list(table.index))
    axes.set_ylim(0.4, len(table) + 0.6)
    axes.set_xlabel("difference in accuracy (points) with 95 % interval")
    return figure


def _show_as_svg() -> None:
    """Let a notebook keep figures as vectors, without the date, which would differ with every execution."""
    if shell := notebook.shell():
        from IPython.core.pylabtools import select_figure_formats

        select_figure_formats(shell, {"svg"}, metadata={"Date": None})


def _figure(width: float, height: float, columns: int = 1):
    plt.rcParams.update(STYLE)  # type: ignore[arg-type]
    figure, axes = plt.subplots(ncols=columns, figsize=(width, height))
    _show_as_svg()  # not before: a kernel's first figure sets the format
    plt.close(figure)  # shown as a cell's value, not a second time by the backend
    return figure, axes
