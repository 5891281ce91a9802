"""How closely students match their teacher."""

import numpy as np
import pandas as pd

from kdbook.settings.arms import BASELINE, TEACHER
from kdbook.stats import bootstrap
from kdbook.stats.estimates import Estimate
from kdbook.stats.predictions import SMALLEST_PROBABILITY, aligned, probabilities
from kdbook.stats.resampling import Array
from kdbook.store.run import Run
from kdbook.study.arms import Arms


def fidelity_by_run(arms: Arms) -> pd.DataFrame:
    """The columns of :func:`fidelity` for each student, indexed by its ``arm``."""
    rows = [
        {"arm": arm, **_fidelity(arms.teacher_of(student), student)}
        for arm in arms.main
        if arm != TEACHER
        for student in arms[arm]
    ]
    return pd.DataFrame(rows).set_index("arm")


def _fidelity(teacher: Run, student: Run) -> dict[str, float]:
    teacher_test, student_test = aligned(teacher.predictions, student.predictions)
    teacher_train, student_train = aligned(teacher.train_predictions, student.train_predictions)
    same = teacher_test["prediction"] == student_test["prediction"]
    same_in_training = teacher_train["prediction"] == student_train["prediction"]
    return {
        "agreement (test)": float(same.mean()),
        "where it errs": float(same[teacher_test["prediction"] != teacher_test["label"]].mean()),
        "divergence (test)": divergence(probabilities(teacher_test), probabilities(student_test)),
        "agreement (train)": float(same_in_training.mean()),
        "divergence (train)": divergence(probabilities(teacher_train), probabilities(student_train)),
    }


def agreement_gain(arms: Arms) -> Estimate:
    """How much more often the distilled student than the baseline agrees with the teacher, on the test
    rows.
    """
    after = _against_teachers(arms, arms.distilled_arm)
    return bootstrap.difference(_against_teachers(arms, BASELINE), after)


def _against_teachers(arms: Arms, arm: str) -> list[pd.DataFrame]:
    """The predictions of each student of an arm, with the teacher's prediction in place of the label."""
    frames = []
    for student in arms[arm]:
        teacher = arms.teacher_of(student).predictions[["id", "language", "prediction"]]
        targets = teacher.rename(columns={"prediction": "label"})
        frames.append(student.predictions.drop(columns="label").merge(targets, on=["id", "language"]))
    return frames


def divergence(reference: Array, other: Array) -> float:
    """Mean Kullback-Leibler divergence in nats of probabilities from a reference.

    Both of shape (rows, classes).
    """
    low, high = SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY
    p, q = np.clip(np.asarray(reference, float), low, high), np.clip(np.asarray(other, float), low, high)
    return float(np.mean((p * np.log(p / q)).sum(axis=1)))
