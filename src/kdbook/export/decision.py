"""The options of a study: accuracy, latency, size, training time and data of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from kdbook.data import UNLABELLED
from kdbook.export import onnx_export
from kdbook.export.student import MODEL, QUANTIZED
from kdbook.settings.arms import BASELINE, DISTILLED, FLOORS, PSEUDO_LABELS, TRANSFER
from kdbook.stats import bootstrap
from kdbook.stats.costs import latencies
from kdbook.stats.estimates import Estimate
from kdbook.stats.metrics import training_seconds
from kdbook.stats.predictions import cascade
from kdbook.store.run import Run
from kdbook.study.arms import Arms
from kdbook.study.study import Study

PASSED_ON = 0.2  # share of the rows that the cascade passes to the teacher
STUDENTS = (BASELINE, PSEUDO_LABELS, DISTILLED, TRANSFER)
BYTES = 8  # of a coefficient
BITS = {MODEL: "32 bits", QUANTIZED: "8 bits"}


@dataclass(frozen=True)
class Option:
    """One way to serve predictions: its latency for one row, its size without tokenizers, and the runs that
    have to be trained for it.
    """

    name: str
    accuracy: Estimate
    milliseconds: float
    megabytes: float
    trained: tuple[Run, ...]


def decision_table(study: Study, arms: Arms, student: Run, folder: Path) -> pd.DataFrame:
    """A row for each option. Each is one model of its arm, with intervals over the test items.

    A student and its teacher are exported into the empty ``folder``; latencies are those of one core. The
    other students have the same size and latency, since only their weights differ.
    """
    labelled = study.data["train"]["id"].nunique()
    unlabelled = len(study.data.splits.get(UNLABELLED, ()))
    rows = {}
    for option in _options(study, arms, student, folder):
        uses_all = any(run.record.spec.rows == "all" for run in option.trained)
        accuracy = option.accuracy
        rows[option.name] = {
            "accuracy": f"{accuracy.value:.3f} [{accuracy.low:.3f}, {accuracy.high:.3f}]",
            "one row (ms)": f"{option.milliseconds:.2f}",
            "size (MB)": f"{option.megabytes:.2f}",
            "training (s)": f"{sum(training_seconds(option.trained)):.0f}",
            "labelled items": labelled,
            "unlabelled rows": unlabelled if uses_all else 0,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _options(study: Study, arms: Arms, student: Run, folder: Path) -> Iterator[Option]:
    teacher = arms.teacher_of(student)
    reports = {
        run: onnx_export.export(study, arms, run, folder / run.name, batches=[1])
        for run in (teacher, student)
    }
    exported = {run: report.latencies[1] for run, report in reports.items()}
    for run, report in reports.items():
        for file, accuracy in {MODEL: report.accuracy, QUANTIZED: report.rounded_accuracy}.items():
            name = f"{run.record.spec.arm}, {BITS[file]}"
            milliseconds, size = exported[run][file], report.sizes[file] / 1e6
            yield Option(name, accuracy, milliseconds, size, _trained(arms, run))
    small, large = exported[student][MODEL], exported[teacher][MODEL]
    sizes = {run: report.sizes[MODEL] / 1e6 for run, report in reports.items()}
    for arm in STUDENTS:
        if arm in arms and arm != student.record.spec.arm:
            run = onnx_export.choose(arms[arm])
            yield Option(
                f"{arm}, 32 bits", _accuracy(run.predictions), small, sizes[student], _trained(arms, run)
            )
    for arm in FLOORS:
        if arm in arms:
            yield _linear_option(arms, arms[arm][0])
    combined = cascade(student.predictions, teacher.predictions, PASSED_ON)
    yield Option(
        f"cascade, {PASSED_ON:.0%} of rows to the teacher",
        _accuracy(combined),
        small + PASSED_ON * large,
        sum(sizes.values()),
        _trained(arms, student),
    )


def _linear_option(arms: Arms, run: Run) -> Option:
    """The linear model as scikit-learn computes it; its size is that of its coefficients."""
    milliseconds = latencies(run)[1].median
    megabytes = run.measurements.parameters.total * BYTES / 1e6
    return Option(
        run.record.spec.arm, _accuracy(run.predictions), milliseconds, megabytes, _trained(arms, run)
    )


def _trained(arms: Arms, run: Run) -> tuple[Run, ...]:
    """A run and the one that taught it."""
    taught = run.record.spec.teacher is not None
    return (run, arms.teacher_of(run)) if taught else (run,)


def _accuracy(predictions: pd.DataFrame) -> Estimate:
    return bootstrap.mean_score([predictions])
