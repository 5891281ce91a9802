"""Fidelity and calibration agree with what can be computed otherwise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import make_arms, make_run, make_spec, replaced
from scipy.stats import entropy
from sklearn.metrics import accuracy_score

from kdbook.stats import fidelity
from kdbook.stats.estimates import Verdict
from kdbook.stats.predictions import probabilities


def test_every_student_is_compared_with_its_paired_teacher(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7)
    assert [run.seed for run in arms.teachers_of("distilled")] == [0, 1, 0, 1, 0]
    assert [run.seed for run in arms.teachers_of("baseline")] == [0, 1, 0, 1, 0]
    copies = replaced(arms, distilled=[imitation(tmp_path, arms, student) for student in arms.distilled])
    faithful = fidelity.fidelity_by_run(copies).loc["distilled"]
    assert (faithful[["agreement (test)", "where it errs", "agreement (train)"]] == 1).all(axis=None)
    assert (faithful[["divergence (test)", "divergence (train)"]] == 0).all(axis=None)
    assert fidelity.agreement_gain(copies).verdict is Verdict.BETTER


def imitation(folder, arms, student):
    """A student that predicts exactly what its teacher predicts."""
    teacher = arms.teacher_of(student)
    spec = make_spec(student.name, teacher.name, paired_teacher=teacher.name)
    return make_run(folder / "copies", student.name, teacher.predictions, spec=spec)


def test_fidelity_agrees_with_scipy_and_scikit_learn(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7, seeds=1)
    teacher, student = arms.teachers[0].predictions, arms.distilled[0].predictions
    row = fidelity.fidelity_by_run(arms).loc["distilled"]
    assert row["agreement (test)"] == pytest.approx(
        accuracy_score(teacher["prediction"], student["prediction"])
    )
    errs = teacher["prediction"] != teacher["label"]
    expected = accuracy_score(teacher["prediction"][errs], student["prediction"][errs])
    assert row["where it errs"] == pytest.approx(expected)
    assert row["divergence (test)"] == pytest.approx(
        entropy(probabilities(teacher).T, probabilities(student).T).mean()
    )


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
