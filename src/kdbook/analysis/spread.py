"""How results vary from run to run and from teacher to teacher, as tables."""

import numpy as np
import pandas as pd

from kdbook.analysis import bootstrap, estimates
from kdbook.analysis.comparisons import gains_by_teacher
from kdbook.analysis.metrics import has_failed, score
from kdbook.analysis.predictions import ensemble, score_of
from kdbook.analysis.tables import metric_of, p_value, points
from kdbook.study.arms import Arms


def range_table(arms: Arms) -> pd.DataFrame:
    """How the score on all test rows varies over the runs of each arm, and how many runs failed.

    The interquartile mean is that of the middle half of the runs (Agarwal et al. 2021, "Deep reinforcement
    learning at the edge of the statistical precipice"); unlike the mean it does not follow a failed run.
    """
    rows = {}
    for arm, runs in arms.items():
        values = pd.Series([score(run) for run in runs])
        rows[arm] = {
            "smallest": values.min(),
            "median": values.median(),
            "interquartile mean": _interquartile_mean(values),
            "mean": values.mean(),
            "largest": values.max(),
            "runs": len(runs),
            "failed": sum(has_failed(run) for run in runs),
        }
    table = pd.DataFrame.from_dict(rows, orient="index").astype({"runs": int, "failed": int})
    return table.rename_axis(columns=metric_of(arms))


def _interquartile_mean(values: pd.Series) -> float:
    """The mean of the middle half; values at its edges count in part."""
    quarter = len(values) / 4
    edges = np.arange(len(values) + 1)
    weights = np.minimum(edges[1:], 3 * quarter) - np.maximum(edges[:-1], quarter)  # (values,)
    return float(np.average(values.sort_values(), weights=weights.clip(min=0)))


def teacher_table(arms: Arms) -> pd.DataFrame:
    """The gain of distillation for each teacher separately: its score, its students, their gain with
    interval.
    """
    teachers = {teacher.name: teacher for teacher in arms.teachers}
    metric = metric_of(arms)
    rows = {
        name: {
            metric: f"{score(teachers[name]):.3f}",
            "students": gain.seeds,
            "gain": points(gain),
        }
        for name, gain in gains_by_teacher(arms).items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def seed_table(arms: Arms) -> pd.DataFrame:
    """Baseline and distilled student of each seed: the items of which one gets more rows right than the
    other, and the exact p-value, adjusted for the number of seeds.
    """
    pairs = zip(arms.baselines, arms.distilled, strict=True)
    tests = {
        str(after.seed): bootstrap.compare_items(before.predictions, after.predictions)
        for before, after in pairs
    }
    adjusted = estimates.holm({seed: test.p for seed, test in tests.items()})
    rows = {
        seed: {
            "baseline better": test.first_better,
            f"{arms.distilled_arm} better": test.second_better,
            "p (Holm)": p_value(adjusted[seed]),
        }
        for seed, test in tests.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index="seed")


def ensemble_table(arms: Arms) -> pd.DataFrame:
    """Score of the mean of the probabilities of all runs of an arm, beside the mean score of its runs."""
    metric = metric_of(arms)
    rows = {
        arm: {
            "runs": len(runs),
            "mean of the runs": sum(map(score, runs)) / len(runs),
            "ensemble": score_of(ensemble([run.predictions for run in runs]), metric),
        }
        for arm, runs in arms.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index").astype({"runs": int})
    return table.rename_axis(columns=metric)
