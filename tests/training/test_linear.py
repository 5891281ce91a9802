"""The linear model: what it learns, what it can't see, and that it is a run like any other."""

import numpy as np
import pandas as pd
import pytest

from kdbook.settings.arms import FLOORS, LINEAR, LINEAR_TAUGHT
from kdbook.store.run import PREDICTOR
from kdbook.training.linear import Features, LinearModel

RNG = np.random.default_rng(0)
WORDS = {0: ["rain", "wind", "snow"], 1: ["goal", "team", "match"], 2: ["oven", "salt", "soup"]}


def rows(number: int, classes: int = 3, noise: int = 3) -> pd.DataFrame:
    labels = np.arange(number) % classes
    filler = ["the", "a", "very", "some", "this"]
    texts = [" ".join([*RNG.choice(WORDS[label], 2), *RNG.choice(filler, noise)]) for label in labels]
    frame = {
        "id": [str(each) for each in range(number)],
        "language": "en",
        "sentence1": texts,
        "label": labels,
    }
    return pd.DataFrame(frame)


def test_it_learns_words_and_its_probabilities_sum_to_one():
    model = LinearModel(rows(60), rows(30), 3, "accuracy")
    predicted = model.predictions(rows(90))
    assert (predicted["prediction"] == predicted["label"]).mean() > 0.95
    shares = predicted[[f"probability_{label}" for label in range(3)]]
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares.to_numpy().argmax(axis=1) == predicted["prediction"]).all()


def test_a_class_without_a_training_row_is_never_predicted():
    train = rows(60).query("label != 1")
    predicted = LinearModel(train, rows(30), 3, "accuracy").predictions(rows(60))
    assert (predicted["probability_1"] == 0).all() and not (predicted["prediction"] == 1).any()


def test_the_validation_rows_choose_the_strength():
    train = rows(60).assign(label=RNG.integers(0, 3, 60))  # nothing can be learned
    model = LinearModel(train, rows(30), 3, "macro-F1")
    assert 0 <= model.validation_score <= 1


def test_pairs_are_compared_and_their_order_does_not_matter():
    pairs = pd.DataFrame({"sentence1": ["rain today", "a goal"], "sentence2": ["rain today", "some soup"]})
    swapped = pairs.rename(columns={"sentence1": "sentence2", "sentence2": "sentence1"})
    features = Features(pairs)
    np.testing.assert_allclose(
        features.of(pairs).toarray(), features.of(swapped[["sentence1", "sentence2"]]).toarray()
    )
    cosines = features.of(pairs).toarray()[:, -1]
    assert cosines[0] == pytest.approx(1) and cosines[1] < 0.5


def test_it_tells_equal_pairs_from_unlike_ones():
    texts = rows(80)["sentence1"].tolist()
    same = np.arange(80) % 2
    others = [
        text if each else texts[place - 1] for place, (text, each) in enumerate(zip(texts, same, strict=True))
    ]
    pairs = pd.DataFrame(
        {"id": range(80), "language": "en", "sentence1": texts, "sentence2": others, "label": same}
    )
    model = LinearModel(pairs[:60], pairs[60:70], 2, "accuracy")
    assert (model.predictions(pairs[60:])["prediction"] == pairs["label"][60:]).mean() > 0.9


@pytest.mark.training
def test_every_study_has_it_and_it_has_no_predictor(smoke):
    arms = smoke.get_or_train_arms("baseline")
    assert list(arms) == ["baseline", *FLOORS]
    for arm in FLOORS:
        for run in arms[arm]:
            assert not (run.path / PREDICTOR).exists()
            assert len(run.predictions) == len(smoke.data["test"])
            assert run.measurements.validation_score == run.history["validation_score"].max()


@pytest.mark.training
def test_the_taught_one_learns_the_teacher_s_predictions(smoke):
    (linear,), (taught,) = (smoke.get_or_train_arms()[arm] for arm in (LINEAR, LINEAR_TAUGHT))
    assert taught.record.spec.teacher == "teacher-0" and taught.record.spec.rows == "all"
    assert not np.array_equal(linear.predictions["probability_1"], taught.predictions["probability_1"])
