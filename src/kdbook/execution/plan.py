"""What a study takes: runs, rows and steps, which are counted; hours and disk, where the store has runs.

Nothing is trained.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean

from kdbook.data import UNLABELLED, pawsx
from kdbook.settings.arms import TEACHER
from kdbook.settings.automm import number
from kdbook.settings.data import Data
from kdbook.store.run import RunSpec
from kdbook.study.status import runs_of_arm
from kdbook.study.study import Study

GIGA = 1e9


@dataclass(frozen=True)
class ArmPlan:
    """The runs of one arm: how many, and what each of them takes.

    ``rows`` that it trains on, ``epochs`` and ``steps`` (batches) are counted. ``hours`` and ``gigabytes`` on
    disk are means over the runs of the arm in the store, wherever they were trained; None without any.
    """

    name: str
    runs: int
    rows: int
    epochs: int
    steps: int
    hours: float | None
    gigabytes: float | None


def arm_plans(study: Study) -> list[ArmPlan]:
    """What each arm takes, but for the linear models, which take seconds."""
    rows = rows_of(study)
    return [_arm_plan(study, name, rows) for name in (TEACHER, *study.profile.students)]


def _arm_plan(study: Study, name: str, rows: Mapping[str, int]) -> ArmPlan:
    specs = [spec for spec in study.specs.values() if spec.arm == name]
    measured = [run.measurements for run in runs_of_arm(study.store, study.profile.name, name)]
    return ArmPlan(
        name,
        runs=len(specs),
        rows=train_rows(specs[0], rows),
        epochs=epochs(specs[0]),
        steps=steps(specs[0], rows),
        hours=mean(each.seconds for each in measured) / 3600 if measured else None,
        gigabytes=mean(each.predictor_bytes for each in measured) / GIGA if measured else None,
    )


def train_rows(spec: RunSpec, rows: Mapping[str, int]) -> int:
    """Number of rows that a run trains on, of those of each split."""
    return rows["train"] + (rows.get(UNLABELLED, 0) if spec.rows == "all" else 0)


def epochs(spec: RunSpec) -> int:
    """Number of epochs of a run."""
    return number(spec.hyperparameters, "optim.max_epochs")


def batch_size(spec: RunSpec) -> int:
    """Number of rows of a step of a run."""
    return number(spec.hyperparameters, "env.per_gpu_batch_size")


def steps(spec: RunSpec, rows: Mapping[str, int]) -> int:
    """Number of batches of a run."""
    return epochs(spec) * math.ceil(train_rows(spec, rows) / batch_size(spec))


def rows_of(study: Study) -> dict[str, int]:
    """Number of rows of each split of a study; sentence pairs are counted without reading them."""
    if study.profile.data.task == "paraphrase":
        return rows_per_split(study.profile.data)
    return {split: len(rows) for split, rows in study.data.splits.items()}


def rows_per_split(settings: Data) -> dict[str, int]:
    """Number of rows of each split of sentence pairs: those of PAWS-X, and of what is in its layout."""
    items = {
        "train": settings.train_items or pawsx.ITEMS["train"],
        "validation": settings.validation_items or pawsx.ITEMS["validation"],
        "test": settings.test_items or pawsx.ITEMS["test"],
    }
    labelled = settings.labelled_items or items["train"]
    trained_languages = len(settings.languages) - len(settings.languages_without_labels)
    rows = {
        "train": labelled * trained_languages,
        "validation": items["validation"] * trained_languages,
        "test": items["test"] * len(settings.languages),
    }
    if settings.has_unlabelled_rows:
        most = (settings.unlabelled_items or items["train"]) * len(settings.languages)
        rows[UNLABELLED] = min(most, items["train"] * len(settings.languages) - rows["train"])
    return rows
