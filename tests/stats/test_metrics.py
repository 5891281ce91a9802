"""Metrics of stored predictions, and intervals and verdicts in metrics other than accuracy."""

import numpy as np
import pandas as pd
import pytest
from runs import make_run, make_spec

from kdbook.settings.metrics import score
from kdbook.stats import bootstrap, metrics
from kdbook.stats.estimates import Verdict
from kdbook.stats.predictions import with_errors

RARE = 0.05


def rows(truth: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"id": range(len(truth)), "language": "en", "label": truth, "prediction": predicted})


def predicted(rng: np.random.Generator, truth: np.ndarray, found: float) -> np.ndarray:
    """The predictions of a model that finds a share of a rare class, and takes 8% of the others for it."""
    wrong = rng.random(len(truth)) < np.where(truth == 1, 1 - found, 0.08)
    return np.where(wrong, 1 - truth, truth)


@pytest.mark.parametrize("metric", ["balanced accuracy", "macro-F1"])
def test_a_model_that_finds_the_rare_class_is_preferred(metric):
    """Where 5% are positive, accuracy prefers never to find them; the other metrics do not."""
    rng = np.random.default_rng(0)
    truth = (rng.random(2000) < RARE).astype(int)
    finds = [rows(truth, predicted(rng, truth, found=0.7)) for _ in range(3)]
    never = [frame.assign(prediction=0) for frame in finds]
    by_accuracy = bootstrap.difference(never, finds)
    by_metric = bootstrap.difference(
        [with_errors(frame, metric) for frame in never], [with_errors(frame, metric) for frame in finds]
    )
    assert by_accuracy.value < 0 and by_metric.value > 0.1 and by_metric.low > 0


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("metric", ["balanced accuracy", "macro-F1"])
@pytest.mark.training  # a simulation
def test_intervals_cover_the_true_difference(metric, seeds):
    """Of two models that find 60% and 75% of a class with about 20 of 400 rows."""
    rng = np.random.default_rng(1)
    found = (0.6, 0.75)
    truth = (rng.random(400_000) < RARE).astype(int)
    first, second = (score(truth, predicted(rng, truth, share), metric) for share in found)
    studies, covered = 300, 0
    for _ in range(studies):
        truth = (rng.random(400) < RARE).astype(int)
        truth[:2] = 0, 1
        arms = [
            [with_errors(rows(truth, predicted(rng, truth, share)), metric) for _ in range(seeds)]
            for share in found
        ]
        estimate = bootstrap.difference(*arms, resamples=400)
        covered += estimate.low <= second - first <= estimate.high
    assert covered / studies >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / studies)


def test_the_majority_baseline_scores_one_in_so_many_classes():
    frame = rows(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]))
    assert metrics.majority_score(frame) == 0.75
    assert metrics.majority_score(frame, "balanced accuracy") == pytest.approx(0.5)


@pytest.mark.parametrize("metric", ["balanced accuracy", "macro-F1"])
@pytest.mark.parametrize("rare", [4, 12])
def test_a_class_of_very_few_rows_gives_no_verdict(metric, rare):
    truth = np.repeat([0, 1], [400, rare])
    rng = np.random.default_rng(0)
    before, after = (
        [with_errors(rows(truth, predicted(rng, truth, found)), metric)] * 5 for found in (0.1, 1.0)
    )
    estimate = bootstrap.difference(before, after, resamples=500, margin=0.9)
    assert estimate.verdict is (Verdict.BETTER if rare >= bootstrap.FEWEST_ROWS else Verdict.UNCLEAR)
    assert rare >= bootstrap.FEWEST_ROWS or estimate.p_margin == 1


@pytest.mark.parametrize("share", [0.05, 0.02])
def test_a_model_that_finds_rare_rows_has_not_failed_under_balanced_accuracy(tmp_path, share):
    truth = (np.arange(1000) < 1000 * share).astype(int)
    spec = make_spec("baseline-0", metric="balanced accuracy")
    for found, failed in ((0.75, False), (0.08, True)):
        frame = rows(truth, predicted(np.random.default_rng(1), truth, found))
        assert metrics.has_failed(make_run(tmp_path / str(found), "baseline-0", frame, spec=spec)) is failed
