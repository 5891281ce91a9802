"""Fidelity and calibration agree with what can be computed otherwise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import make_arms, make_run, make_spec, replaced
from scipy.stats import entropy
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score

from kdbook.analysis import fidelity
from kdbook.analysis.estimates import Verdict
from kdbook.analysis.predictions import probabilities


def test_every_student_is_compared_with_its_paired_teacher(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7)
    assert [run.seed for run in arms.teachers_of("distilled")] == [0, 1, 0, 1, 0]
    assert [run.seed for run in arms.teachers_of("baseline")] == [0, 1, 0, 1, 0]
    copies = replaced(arms, distilled=[imitation(tmp_path, arms, student) for student in arms.distilled])
    faithful = fidelity.fidelity(copies).loc["distilled"]
    assert faithful[["agreement (test)", "where it errs", "agreement (train)"]].tolist() == [1, 1, 1]
    assert faithful[["divergence (test)", "divergence (train)"]].tolist() == [0, 0]
    assert fidelity.agreement_gain(copies).verdict is Verdict.BETTER


def imitation(folder, arms, student):
    """A student that predicts exactly what its teacher predicts."""
    teacher = arms.teacher_of(student)
    spec = make_spec(student.name, teacher.name, paired_teacher=teacher.name)
    return make_run(folder / "copies", student.name, teacher.predictions, spec=spec)


def test_fidelity_agrees_with_scipy_and_scikit_learn(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7, seeds=1)
    teacher, student = arms.teachers[0].predictions, arms.distilled[0].predictions
    row = fidelity.fidelity(arms).loc["distilled"]
    assert row["agreement (test)"] == pytest.approx(
        accuracy_score(teacher["prediction"], student["prediction"])
    )
    errs = teacher["prediction"] != teacher["label"]
    expected = accuracy_score(teacher["prediction"][errs], student["prediction"][errs])
    assert row["where it errs"] == pytest.approx(expected)
    assert row["divergence (test)"] == pytest.approx(
        entropy(probabilities(teacher).T, probabilities(student).T).mean()
    )


PROBABILITIES = st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=60)


@given(PROBABILITIES)
@settings(deadline=None)
def test_reliability_agrees_with_scikit_learn(rows):
    probability, label = np.array([p for p, _ in rows], float), np.array([int(y) for _, y in rows])
    rounded = np.abs(probability * fidelity.BINS - np.round(probability * fidelity.BINS)) < 1e-6
    probability = np.where(
        rounded & (probability > 0) & (probability < 1), probability + 0.01, probability
    )  # bins may end either way
    result = fidelity.reliability(probability, label)
    if set(label) == {0, 1}:
        share, mean = calibration_curve(label, probability, n_bins=fidelity.BINS)
        np.testing.assert_allclose(result["share"], share)
        np.testing.assert_allclose(result["probability"], mean, atol=1e-12)
    weights = result["rows"] / len(rows)
    assert fidelity.calibration_error(probability, label) == pytest.approx(
        (weights * (result["share"] - result["probability"]).abs()).sum()
    )
    assert result["rows"].sum() == len(rows)


@pytest.mark.training
def test_calibration_error_agrees_with_torchmetrics():
    from torch import from_numpy
    from torchmetrics.functional.classification import binary_calibration_error

    rng = np.random.default_rng(0)
    probability = rng.random(5000)
    label = (rng.random(5000) < probability**2).astype(int)
    expected = binary_calibration_error(from_numpy(probability), from_numpy(label), n_bins=fidelity.BINS)
    assert fidelity.calibration_error(probability, label) == pytest.approx(float(expected), abs=1e-6)
    assert fidelity.calibration_error(np.array([0.0, 1.0]), np.array([0, 1])) == 0
    assert fidelity.calibration_error(np.array([0.0, 1.0]), np.array([1, 0])) == 1


SHARES = st.lists(st.floats(0.001, 1), min_size=3, max_size=3)


@given(st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=20))
def test_divergence_agrees_with_scipy(rows):
    p, q = (np.array(part) / np.array(part).sum(axis=1, keepdims=True) for part in zip(*rows, strict=True))
    assert fidelity.divergence(p, q) == pytest.approx(entropy(p, q, axis=1).mean(), abs=1e-6)


@given(st.lists(st.sampled_from([[0.0, 1.0], [1.0, 0.0]]), min_size=1, max_size=5))
def test_divergence_of_certainties_is_finite(p):
    certain = np.array(p)
    assert fidelity.divergence(certain, certain) == 0
    assert 0 < fidelity.divergence(certain, 1 - certain) < 20
