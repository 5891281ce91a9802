"""A cascade is between its student and its teacher, and passes on what the student is least sure of."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import simulated, with_probabilities

from kdbook.stats.predictions import cascade


def in_order(predictions):
    return predictions.sort_values(["id", "language"], ignore_index=True)


def test_the_ends_are_the_student_and_the_teacher():
    rng = np.random.default_rng(0)
    student, teacher = in_order(simulated(rng, 0.7)), in_order(simulated(rng, 0.9))
    assert cascade(student, teacher, 0)["prediction"].tolist() == student["prediction"].tolist()
    assert cascade(student, teacher, 1)["prediction"].tolist() == teacher["prediction"].tolist()


@given(st.floats(0, 1), st.integers(0, 5))
@settings(deadline=None)
def test_the_rows_passed_on_are_the_least_confident(share, seed):
    rng = np.random.default_rng(seed)
    student, teacher = in_order(simulated(rng, 0.7, items=20)), in_order(simulated(rng, 0.9, items=20))
    teacher = teacher.assign(prediction=7)  # a mark
    passed_on = cascade(student, teacher, share)["prediction"] == 7
    assert passed_on.sum() == round(share * len(student))
    confidence = student[["probability_0", "probability_1"]].max(axis=1)
    if 0 < passed_on.sum() < len(student):
        assert confidence[passed_on].max() <= confidence[~passed_on].min()


def test_the_teachers_rows_may_be_in_another_order():
    rng = np.random.default_rng(1)
    student, teacher = in_order(simulated(rng, 0.7)), in_order(simulated(rng, 0.9))
    shuffled = teacher.sample(frac=1, random_state=0)
    assert cascade(student, shuffled, 1)["prediction"].tolist() == teacher["prediction"].tolist()


def test_informative_confidence_closes_more_than_its_share():
    rng = np.random.default_rng(2)
    student, teacher = simulated(rng, 0.7, items=2000), simulated(rng, 0.95, items=2000)
    correct = student["prediction"] == student["label"]
    probability = np.where(correct, rng.uniform(0.7, 1, len(student)), rng.uniform(0.5, 0.8, len(student)))
    of_one = np.where(student["prediction"] == 1, probability, 1 - probability)
    informed = cascade(with_probabilities(student, of_one), teacher, 0.3)
    uninformed = cascade(with_probabilities(student, rng.random(len(student))), teacher, 0.3)
    assert informed.eval("prediction == label").mean() > uninformed.eval("prediction == label").mean() + 0.05
