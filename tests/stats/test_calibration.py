"""Scores of probabilities agree with what can be computed otherwise, and with what is known of simulated models."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import make_arms, replaced, with_probabilities
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as reference_log_loss

from kdbook.data.generated.corpus import with_label_noise
from kdbook.pages import sentences
from kdbook.stats import calibration
from kdbook.stats.estimates import Verdict
from kdbook.stats.predictions import binary_events
from kdbook.store.run import PREDICTIONS, Run

PROBABILITIES = st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=60)


def simulated(rng, rows: int, sharpness: float = 1.0) -> pd.DataFrame:
    """Predictions of a calibrated model, or with logits multiplied by ``sharpness``."""
    logits = rng.normal(0, 1.5, rows)
    label = (rng.random(rows) < 1 / (1 + np.exp(-logits))).astype(int)
    probability = 1 / (1 + np.exp(-sharpness * logits))
    frame = pd.DataFrame({"id": range(rows), "language": "en", "label": label})
    return with_probabilities(frame.assign(prediction=(probability > 0.5).astype(int)), probability)


@given(PROBABILITIES)
@settings(deadline=None)
def test_bins_contain_every_row_once_and_divide_no_ties(rows):
    probability, happened = (np.array(part, float) for part in zip(*rows, strict=True))
    table = calibration.reliability(probability, happened)
    assert table["rows"].sum() == len(rows)
    assert (table["probability"] * table["rows"]).sum() == pytest.approx(probability.sum(), abs=1e-6)
    assert (table["share"] * table["rows"]).sum() == pytest.approx(happened.sum())
    same = calibration.calibration_error(np.full(len(rows), 0.5), happened)
    assert same == pytest.approx(abs(happened.mean() - 0.5))


def test_a_model_that_knows_two_probabilities_has_a_bin_for_each():
    probability, happened = np.repeat([0.1, 0.9], [70, 30]), np.repeat([1, 0], [70, 30])
    assert calibration.reliability(probability, happened)["probability"].tolist() == pytest.approx([0.1, 0.9])
    assert calibration.calibration_error(probability, happened) == pytest.approx(0.9)


def test_reliability_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    probability = rng.random(5000)
    label = (rng.random(5000) < probability**2).astype(int)
    share, mean = calibration_curve(label, probability, n_bins=10, strategy="quantile")
    table = calibration.reliability(probability, label)
    np.testing.assert_allclose(table["share"], share)
    np.testing.assert_allclose(table["probability"], mean)


def test_proper_scores_agree_with_scikit_learn():
    frame = simulated(np.random.default_rng(1), 500, sharpness=2)
    probability = frame["probability_1"]
    assert calibration.log_loss_by_row(frame).mean() == pytest.approx(
        reference_log_loss(frame["label"], probability)
    )
    assert calibration.brier_by_row(frame).mean() == pytest.approx(
        brier_score_loss(frame["label"], probability)
    )


@pytest.mark.parametrize("rows", [40, 200, 2000])
def test_the_error_of_calibrated_models_is_what_is_expected(rows):
    rng = np.random.default_rng(2)
    frames = [simulated(rng, rows)[["label", "probability_1"]].to_numpy().T for _ in range(400)]
    measured = np.mean([calibration.calibration_error(probability, label) for label, probability in frames])
    expected = np.mean([calibration.error_if_calibrated(probability) for _, probability in frames])
    assert measured == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("sharpness", [0.5, 1, 3])
def test_the_temperature_undoes_overconfidence(sharpness):
    rng = np.random.default_rng(3)
    temperature, loss = calibration.scaled(simulated(rng, 5000, sharpness))
    assert temperature == pytest.approx(sharpness, rel=0.12)
    calibrated = np.mean([calibration.log_loss_by_row(simulated(rng, 5000)).mean() for _ in range(20)])
    assert loss == pytest.approx(calibrated, abs=0.02)


def test_a_single_item_has_no_temperature():
    frame = simulated(np.random.default_rng(4), 1)
    assert calibration.scaled(frame) == (1.0, calibration.log_loss_by_row(frame).mean())


@pytest.mark.parametrize(("better", "verdict"), [("distilled", Verdict.WORSE), ("baseline", Verdict.BETTER)])
def test_overconfident_students_have_the_higher_brier_score(tmp_path, better, verdict):
    """Which is not the better one; the sentence says whose probabilities are better."""
    arms = make_arms(tmp_path, 0.9, 0.7, 0.7, seeds=8)
    confident = {}
    for arm in ("baseline", "distilled"):
        for run in arms[arm]:
            frame = run.predictions
            sure = 0.7 if arm == better else 0.99999
            predicted = np.where(frame["prediction"] == 1, sure, 1 - sure)
            with_probabilities(frame, predicted).to_parquet(run.path / PREDICTIONS, index=False)
        confident[arm] = [Run(run.path) for run in arms[arm]]
    comparison = calibration.compare(replaced(arms, **confident))
    assert comparison.brier.verdict is comparison.log_loss.verdict is verdict
    sentence = sentences.calibration(comparison)
    assert sentence.count("significantly better" if better == "distilled" else "significantly worse") == 2


@pytest.mark.parametrize("share", [0.1, 0.35])
def test_a_model_that_fits_noisy_labels_is_calibrated_against_such_labels_only(tmp_path, share):
    """Its probabilities are those of noisy labels: too cautious for exact ones."""
    arms = make_arms(tmp_path, 0.9, 0.7, 0.8, seeds=2, items=3000)
    accuracy = 0.9 * (1 - share) + 0.1 * share  # on noisy labels
    for run in arms.teachers:
        frame = run.predictions
        probability = np.where(frame["prediction"] == 1, accuracy, 1 - accuracy)
        with_probabilities(frame, probability).to_parquet(run.path / PREDICTIONS, index=False)
    exact = [Run(run.path).predictions for run in arms.teachers]
    noisy = [with_label_noise(frame, share, 0) for frame in exact]
    on_exact, on_noisy = (
        np.mean([calibration.calibration_error(*binary_events(frame)) for frame in frames])
        for frames in (exact, noisy)
    )
    assert on_noisy < 0.03 < on_exact
    errors = pd.DataFrame({"ECE": on_exact, "ECE, noisy labels": on_noisy}, index=["teacher"])
    assert f"{on_noisy:.3f} rather than {on_exact:.3f}" in sentences.label_noise(errors, share)
