"""Figures of the book."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kdbook.analysis import bootstrap, canvas, costs
from kdbook.analysis.calibration import reliability
from kdbook.analysis.canvas import COLOURS, series
from kdbook.analysis.comparisons import METRIC
from kdbook.analysis.curves import Point
from kdbook.analysis.fidelity import fidelity_by_run
from kdbook.analysis.metrics import accuracy, majority_score, scores
from kdbook.analysis.predictions import LANGUAGE_NAMES, binary_events, on_test, probabilities
from kdbook.analysis.tables import metric_of
from kdbook.data import TextData
from kdbook.data.statistics import word_counts, word_overlap
from kdbook.settings.arms import FLOORS, LINEAR
from kdbook.settings.data import ALL
from kdbook.store.run import Run
from kdbook.study.arms import Arms

CHANCE = 0.5
LEGEND_COLUMNS = 4  # of names as long as "pseudo-labels" in the width of a page
TICK_WIDTH = 18  # characters
FLOOR_STYLES = ("--", "-.")  # of lines, for each linear model


def score_by_language(arms: Arms, languages_without_labels: Sequence[str] = ()) -> Figure:
    """A dot per run and a bar at each arm's mean with its 95% CI, side by side for every test set, and dashed
    lines at the means of the linear models.

    The ``languages_without_labels``, whose labels no model was trained on, have a grey background.
    """
    table = scores(arms)
    tests = list(dict.fromkeys(table["test"]))
    figure, axes = canvas.empty(max(7, 1.2 * len(tests)), 3.6)
    drawn = arms.without(FLOORS)
    for position, test in enumerate(tests):
        for number, (arm, runs) in enumerate(drawn.items()):
            values = table["score"][(table["arm"] == arm) & (table["test"] == test)]
            x = position + (number - (len(drawn) - 1) / 2) * 0.7 / len(drawn)
            _dots_and_mean(axes, x, values, number, arm if position == 0 else None)
            mean = bootstrap.mean_score(on_test(test, runs))
            axes.vlines(x, max(mean.low, 0), min(mean.high, 1), color=series(number)["color"], linewidth=1)
        for floor, style in zip(FLOORS, FLOOR_STYLES, strict=True):
            if floor in arms:
                mean_score = table["score"][(table["arm"] == floor) & (table["test"] == test)].mean()
                ends, label = (position - 0.45, position + 0.45), floor if position == 0 else None
                axes.hlines(mean_score, *ends, color="black", linestyle=style, linewidth=1, label=label)
        if test in languages_without_labels:
            label = "without labels" if test == languages_without_labels[0] else None
            axes.axvspan(position - 0.45, position + 0.45, color="grey", alpha=0.15, label=label)
    _majority_line(axes, arms)
    axes.set_xticks(range(len(tests)), [canvas.shortened(LANGUAGE_NAMES.get(test, test)) for test in tests])
    axes.set_ylabel(metric_of(arms))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=LEGEND_COLUMNS, frameon=False)
    return canvas.finished(figure)


def _majority_line(axes: Axes, arms: Arms) -> None:
    """A line at the score of the majority-class baseline."""
    first_run = next(iter(arms.values()))[0]
    axes.axhline(
        majority_score(first_run.predictions, first_run.metric), color="grey", linestyle=":", linewidth=1
    )


def learning_curves(arms: Arms) -> Figure:
    """Validation score after each epoch against the seconds spent, a line for each run."""
    figure, axes = canvas.empty(7, 3.6)
    for number, (arm, runs) in enumerate(arms.without(FLOORS).items()):
        for index, run in enumerate(runs):
            curve = run.history
            label = arm if index == 0 else None
            axes.plot(curve["seconds"], curve["validation_score"], label=label, alpha=0.8, **series(number))
    for run in arms.get(LINEAR, []):
        best = run.measurements.validation_score
        axes.axhline(best, color="black", linestyle=FLOOR_STYLES[0], linewidth=1, label=LINEAR)
    _majority_line(axes, arms)
    axes.set_xlabel("seconds of training")
    axes.set_ylabel(f"validation {metric_of(arms)}")
    axes.legend(frameon=False)
    return canvas.finished(figure)


def by_edit(table: pd.DataFrame) -> Figure:
    """Accuracy of each arm for every kind of edit.

    ``table`` is that of :func:`kdbook.analysis.tables.edit_table`.
    """
    arms = [column for column in table.columns if column != "pairs"]
    figure, axes = canvas.empty(7, 0.34 * len(table) + 1.2)
    rows = range(len(table))
    for number, arm in enumerate(arms):
        axes.plot(table[arm], rows, linestyle="", markersize=8, label=arm, **series(number))
    axes.axvline(CHANCE, color="grey", linestyle=":", linewidth=1)
    meaning = {0: "different", 1: "same"}
    axes.set_yticks(rows, [f"{edit} ({meaning[label]})" for label, edit in table.index])
    axes.set_xlabel("accuracy")
    figure.legend(loc="outside upper center", ncols=LEGEND_COLUMNS, frameon=False)
    return canvas.finished(figure)


def surface_cues(data: TextData) -> Figure:
    """Surface cues in the training rows: word overlap of a pair, or length of a text, by class."""
    train = data["train"]
    figure, axes = canvas.empty(7, 3)
    if data.pairs:
        values, bins = word_overlap(train), np.linspace(0, 1, 21)
        axes.set_xlabel("words shared / all words of the pair")
    else:
        values = word_counts(train)
        bins = np.linspace(0, values.max(), min(21, int(values.max()) + 1))
        axes.set_xlabel("words")
    legend: canvas.Legend = []
    for colour, (name, of_class) in zip(COLOURS, _classes_shown(data), strict=False):
        _, _, steps = axes.hist(values[of_class], bins, histtype="step", linewidth=2, color=colour)
        legend.append((steps[0], name))
    axes.set_ylabel("rows")
    canvas.add_legend(axes, legend, frameon=False, loc="upper left" if data.pairs else "best")
    return canvas.finished(figure)


def _classes_shown(data: TextData) -> Iterator[tuple[str, pd.Series]]:
    """Names of the classes and masks of their training rows; beyond seven classes, the rarer ones in one."""
    labels = data["train"]["label"]
    most = len(COLOURS)
    by_frequency = list(labels.value_counts().index)
    single = sorted(by_frequency if len(by_frequency) <= most else by_frequency[: most - 1])
    for label in single:
        yield data.meanings[label], labels == label
    if len(single) < len(by_frequency):
        yield f"{len(by_frequency) - len(single)} other classes", ~labels.isin(single)


def agreement(arms: Arms) -> Figure:
    """How often each student agrees with its teacher: on test rows, on those that the teacher gets wrong, in
    training.
    """
    table = fidelity_by_run(arms)
    kinds = {
        "agreement (test)": "all test rows",
        "where it errs": "where the teacher errs",
        "agreement (train)": "training rows",
    }
    names = list(dict.fromkeys(table.index))
    figure, axes = canvas.empty(7, 3)
    for number, arm in enumerate(names, 1):  # colour 0 is the teacher's
        for position, kind in enumerate(kinds):
            values = table.loc[[arm], kind]
            x = position + (number - (len(names) + 1) / 2) * 0.25
            _dots_and_mean(axes, x, values, number, arm if position == 0 else None)
    axes.set_xticks(range(len(kinds)), list(kinds.values()))
    axes.set_ylabel("agreement with the teacher")
    axes.legend(frameon=False)
    return canvas.finished(figure)


def _dots_and_mean(axes: Axes, x: float, values: pd.Series, number: int, label: str | None) -> None:
    """A dot per run, and a bar at their mean, in the style of an arm's number."""
    axes.plot(
        [x] * len(values), values, linestyle="", alpha=0.55, markersize=5, label=label, **series(number)
    )
    axes.plot([x - 0.08, x + 0.08], [values.mean()] * 2, color=series(number)["color"], linewidth=3)


def calibration_curves(arms: Arms, data: TextData) -> Figure:
    """Share of rows in which an event happened against its predicted probability, a line for each run.

    For two classes the event is that a row is of class 1, for more classes that the prediction is correct.
    """
    figure, axes = canvas.empty(7, 4.8)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    for number, (arm, runs) in enumerate(arms.items()):
        for index, run in enumerate(runs):
            table = reliability(*binary_events(run.predictions))
            label = arm if index == 0 else None
            shape = {"alpha": 0.7, "markersize": 4, "linewidth": 1} | series(number)
            axes.plot(table["probability"], table["share"], label=label, **shape)
    event = f"“{canvas.shortened(data.meanings[1])}”" if len(data.classes) == 2 else "the predicted class"
    axes.set_xlabel(f"predicted probability of {event}")
    axes.set_ylabel("observed share")
    axes.legend(frameon=False)
    return canvas.finished(figure)


def confidence(run: Run) -> Figure:
    """Distribution of the probability of the predicted class, and the accuracy, on training and test rows."""
    figure, axes = canvas.empty(7, 3)
    kinds = {"training rows": run.train_predictions, "test rows": run.predictions}
    for colour, (kind, predictions) in zip(COLOURS, kinds.items(), strict=False):
        shares = probabilities(predictions)  # (rows, classes)
        largest, bins = shares.max(axis=1), np.linspace(1 / shares.shape[1], 1, 21)
        label = f"{kind}: accuracy {accuracy(predictions)[ALL]:.3f}"
        weights = np.full(len(largest), 1 / len(largest))
        axes.hist(largest, bins, weights=weights, histtype="step", linewidth=2, color=colour, label=label)
    axes.set_xlabel("probability of the predicted class")
    axes.set_ylabel("share of rows")
    axes.legend(frameon=False, loc="upper left")
    return canvas.finished(figure)


def score_against_latency(arms: Arms) -> Figure:
    """Score against latency for one row, a dot per run."""
    table = costs.score_and_latency(arms)
    figure, axes = canvas.empty(7, 3.6)
    for number, arm in enumerate(arms):
        rows = table[table["arm"] == arm]
        shape = {"linestyle": "", "markersize": 8, "alpha": 0.7} | series(number)
        axes.plot(rows["milliseconds"], rows["score"], label=arm, **shape)
    axes.set_xlim(left=0)
    axes.set_xlabel("milliseconds per row (tokenization and forward pass)")
    axes.set_ylabel(metric_of(arms))
    axes.legend(frameon=False)
    return canvas.finished(figure)


def sizes(table: pd.DataFrame) -> Figure:
    """A bar for the size of each form of a model; ``table`` has columns ``model`` and ``size (MB)``."""
    figure, axes = canvas.empty(7, 0.45 * len(table) + 0.9)
    bars = axes.barh(table["model"], table["size (MB)"], color=COLOURS[2])
    axes.bar_label(bars, fmt="%.2f", padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("size (MB)")
    return canvas.finished(figure)


def cascade(table: pd.DataFrame) -> Figure:
    """Accuracy of a cascade by share of rows that the teacher predicts, a line for each student.

    ``table`` is that of :func:`kdbook.analysis.cascade.cascade_table`.
    """
    figure, axes = canvas.empty(7, 3.6)
    axes.plot(100 * table.index, table, "o-", color=COLOURS[2], alpha=0.5, markersize=4)
    axes.plot(100 * table.index, table.mean(axis=1), color=COLOURS[0], linewidth=3, label="mean")
    axes.set_xlabel("rows passed to the teacher (%)")
    axes.set_ylabel("accuracy")
    axes.legend(frameon=False, loc="lower right")
    return canvas.finished(figure)


def gradients(
    teacher: float, label: int, temperature: float, hard_weight: float, soft_weight: float
) -> Figure:
    """Targets and gradients of AutoMM's hard and soft loss terms (``optim/losses/``) for two classes.

    Logits are differences between those of class 1 and class 0. On the left the targets; on the right the
    derivatives of both terms and of their sum with respect to the student's logit. ``loss-explorer.js`` draws
    the same on the site.
    """
    figure, (targets, pulls) = canvas.empty(7, 3.2, columns=2)
    shares = {
        "label": float(label),
        "teacher": float(_sigmoid(teacher)),
        f"teacher at T = {temperature:g}": _sigmoid(teacher / temperature),
    }
    targets.barh(list(shares), list(shares.values()), color=[COLOURS[0], COLOURS[5], COLOURS[1]])
    targets.set_xlim(0, 1)
    targets.invert_yaxis()
    targets.set_xlabel("probability of class 1")
    student = np.linspace(-6, 6, 121)
    hard = hard_weight * (_sigmoid(student) - label)
    soft = soft_weight / temperature * (_sigmoid(student / temperature) - _sigmoid(teacher / temperature))
    for number, (name, pull) in enumerate({"hard": hard, "soft": soft, "sum": hard + soft}.items()):
        pulls.plot(student, pull, color=COLOURS[number], linewidth=2, label=name)
    pulls.axhline(0, color="grey", linestyle=":", linewidth=1)
    pulls.set_xlabel("student's logit")
    pulls.set_ylabel("gradient")
    pulls.legend(frameon=False)
    return canvas.finished(figure)


def _sigmoid(logit: Any) -> Any:
    return 1 / (1 + np.exp(-logit))


def dose_response(points: Sequence[Point], dose: str, tests: Sequence[str] = (ALL,)) -> Figure:
    """Mean accuracy of each arm with its 95% confidence interval at every dose, and a dashed line for the
    linear model, a panel for each test set.
    """
    figure, panels = canvas.empty(7, 4.2, columns=len(tests))
    arms = list(points[0].accuracy)
    panels = np.atleast_1d(panels)
    for axes, test in zip(panels, tests, strict=True):
        for number, arm in enumerate(arms):
            means = [point.accuracy[arm][test] for point in points]
            values = np.array([mean.value for mean in means])
            ends = [values - [mean.low for mean in means], [mean.high for mean in means] - values]
            if arm in FLOORS:
                axes.plot(values, color="black", linestyle=FLOOR_STYLES[0], linewidth=1, label=arm)
                continue
            x = np.arange(len(points)) + (number - (len(arms) - 1) / 2) * 0.06
            axes.errorbar(x, values, yerr=ends, capsize=2, label=arm, **series(number))
        axes.set_xticks(
            range(len(points)), [textwrap.fill(point.dose, TICK_WIDTH // len(tests)) for point in points]
        )
        axes.set_xlabel(dose)
        if len(tests) > 1:
            axes.set_title(LANGUAGE_NAMES.get(test, test), fontsize="medium")
    panels[0].set_ylabel("accuracy")
    handles, names = axes.get_legend_handles_labels()  # lines first
    entries = dict(zip(names, handles, strict=True))
    shown = [entries[arm] for arm in arms]
    figure.legend(shown, arms, loc="outside upper center", ncols=LEGEND_COLUMNS, frameon=False)
    return canvas.finished(figure)


def differences(table: pd.DataFrame) -> Figure:
    """Differences with their intervals, one per line.

    ``table`` is that of :func:`kdbook.analysis.comparisons.differences_between`.
    """
    figure, axes = canvas.empty(7, 0.42 * len(table) + 1)
    rows = range(len(table), 0, -1)
    ends = [100 * (table["value"] - table["low"]), 100 * (table["high"] - table["value"])]
    axes.errorbar(100 * table["value"], list(rows), xerr=ends, fmt="o", color=COLOURS[0], capsize=3)
    axes.axvline(0, color="grey", linestyle=":", linewidth=1)
    axes.set_yticks(list(rows), [canvas.shortened(name) for name in table.index])
    axes.set_ylim(0.4, len(table) + 0.6)
    axes.set_xlabel(f"difference in {table.attrs.get(METRIC, 'accuracy')} (points) and 95% CI")
    return canvas.finished(figure)
