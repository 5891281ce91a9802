"""The sentences of the book are true of the results, also where distillation hurts or nothing is significant."""

import re

import numpy as np
import pandas as pd
import pytest
from runs import latency, make_arms, make_run, replaced, simulated

from kdbook import data
from kdbook.data.load import CLASSES, MEANINGS
from kdbook.pages import descriptions, sentences
from kdbook.settings import profile
from kdbook.settings.arms import PrimaryComparison
from kdbook.stats import comparisons
from kdbook.stats.metrics import accuracy
from kdbook.store.local import Store
from kdbook.study.study import Study

HELPS, HURTS, UNCLEAR = (0.9, 0.6, 0.75), (0.9, 0.75, 0.6), (0.9, 0.7, 0.7)


@pytest.fixture
def some(tmp_path) -> Study:
    """A study in which every row has a label."""
    smoke = profile.load("smoke")
    data = smoke.data.model_copy(update={"labelled_items": None})
    question = PrimaryComparison(arm="distilled")
    changes = {"data": data, "primary": question, "controls": {}, "ablations": {}}
    return Study(smoke.model_copy(update=changes), Store(tmp_path / "store"))


@pytest.mark.parametrize(
    ("accuracies", "claim", "never"),
    [
        (HELPS, "the distilled student is better", "worse|inconclusive"),
        (HURTS, "the distilled student is worse", "better|inconclusive"),
        (UNCLEAR, "inconclusive", "student is better|student is worse"),
    ],
)
def test_the_primary_question_is_answered_by_the_results(tmp_path, some, accuracies, claim, never):
    sentence = sentences.headline(make_arms(tmp_path, *accuracies), some)
    assert claim in sentence
    assert not re.search(never, sentence)


@pytest.mark.parametrize(
    ("accuracies", "claim"),
    [
        (HELPS, "outperforms the baseline in English and German"),
        (HURTS, "is worse than the baseline in English and German"),
        (UNCLEAR, "inconclusive in"),
    ],
)
def test_each_language_has_its_own_verdict(tmp_path, accuracies, claim):
    arms = make_arms(tmp_path, *accuracies)
    assert claim in sentences.by_language(arms, comparisons.compare_by_test(arms))


def test_languages_may_differ(tmp_path):
    better, worse = make_arms(tmp_path / "up", *HELPS), make_arms(tmp_path / "down", *HURTS)
    mixed = {
        arm: [_mixed(tmp_path / "mixed", up, down) for up, down in zip(better[arm], worse[arm], strict=True)]
        for arm in ("baseline", "distilled")
    }
    arms = replaced(make_arms(tmp_path, 0.9, 0.7, 0.7), **mixed)
    sentence = sentences.by_language(arms, comparisons.compare_by_test(arms))
    assert (
        "outperforms the baseline in English" in sentence
        and "is worse than the baseline in German" in sentence
    )
    assert "more in English than in German" in sentence and "is significant" in sentence


def _mixed(folder, english, german):
    parts = [english.predictions.query("language == 'en'"), german.predictions.query("language == 'de'")]
    return make_run(folder, english.name, pd.concat(parts), spec=english.record.spec)


@pytest.mark.parametrize(
    ("accuracies", "claim"),
    [
        ((0.9, 0.6, 0.7), "outperforms the baseline"),
        ((0.7, 0.7, 0.7), "not shown to be the better model"),
        ((0.6, 0.8, 0.7), "it is the weaker model"),
    ],
)
def test_whether_there_is_a_gap(tmp_path, accuracies, claim):
    assert claim in sentences.gap(make_arms(tmp_path, *accuracies))


def test_recovery_is_undefined_without_a_gap_and_negative_where_students_lose(tmp_path):
    undefined, lost, helped = (
        sentences.recovery(comparisons.compare_on(make_arms(tmp_path / str(number), *accuracies)))
        for number, accuracies in enumerate([(0.7, 0.7, 0.8), HURTS, HELPS])
    )
    assert "undefined" in undefined
    assert "below 0" in lost
    assert "undefined" not in helped and "below 0" not in helped


def test_controls_are_beaten_or_not(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7, weaker=0.55, equal=0.7, stronger=0.85)
    pairs = [(name, "distilled") for name in ("weaker", "equal", "stronger")]
    sentence = sentences.beaten(comparisons.differences_between(arms, pairs))
    assert "significantly outperforms *weaker*" in sentence
    assert "significantly worse than *stronger*" in sentence
    assert "not shown to outperform *equal*" in sentence
    assert sentences.beaten(comparisons.differences_between(arms, [])) == "This profile has no controls."


def test_variations_differ_or_not(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7, weaker=0.55, equal=0.7, stronger=0.85)
    pairs = [("distilled", name) for name in ("weaker", "equal", "stronger")]
    sentence = sentences.varied(comparisons.differences_between(arms, pairs))
    assert "significantly better: *stronger*; significantly worse: *weaker*" in sentence
    assert "Open: *equal*." in sentence
    alone = sentences.varied(comparisons.differences_between(arms, [("distilled", "equal")]))
    assert "no variation differs significantly" in alone


@pytest.mark.parametrize(
    ("accuracies", "claim"),
    [
        ((0.95, 0.6, 0.8), "more often than"),
        ((0.95, 0.8, 0.6), "less often than"),
        (UNCLEAR, "not significantly"),
    ],
)
def test_agreement_with_the_teacher(tmp_path, accuracies, claim):
    assert claim in sentences.agreement(make_arms(tmp_path, *accuracies))


def test_failed_runs_are_named(tmp_path):
    arms = make_arms(tmp_path, *HELPS)
    assert "Every run is shown to outperform the majority-class baseline" in sentences.failed(arms)
    constant = make_run(tmp_path / "failed", "baseline-1", arms.baselines[0].predictions.assign(prediction=1))
    failed = replaced(arms, baseline=[arms.baselines[0], constant, *arms.baselines[2:]])
    assert "`baseline-1`" in sentences.failed(failed)


def test_the_price_includes_the_share_of_the_teachers(tmp_path):
    """Teachers of 10 and 11 seconds for five students: 4.2 seconds each; fits of 10 to 14 seconds on average 12."""
    sentence = sentences.price(make_arms(tmp_path, *HELPS))
    assert "16 seconds" in sentence and "1.3 times" in sentence and "*distilled* **12**" in sentence


@pytest.mark.parametrize(("seconds", "claim"), [(50.0, "at least as much time"), (1.0, "less time")])
def test_a_control_had_the_time_of_distillation_or_not(tmp_path, seconds, claim):
    arms = make_arms(tmp_path, *HELPS)
    longer = make_run(tmp_path, "longer-0", arms.baselines[0].predictions, fit_seconds=seconds)
    assert claim in sentences.budget(replaced(arms, longer=[longer]), "longer")


def test_a_profile_may_have_no_such_control(tmp_path):
    assert "no control named *longer*" in sentences.budget(make_arms(tmp_path, *HELPS), "longer")


def test_a_slower_student_is_not_called_faster(tmp_path):
    arms = make_arms(tmp_path, *HELPS)
    assert "1.0 times as many" in sentences.sizes(arms)
    frame = simulated(np.random.default_rng(0), 0.9)
    fast = make_run(tmp_path / "fast", "teacher-0", frame, latency=latency(0.5))
    assert "only 0.25 times" in sentences.sizes(replaced(arms, teacher=[fast, arms.teachers[1]]))


def test_what_the_data_and_the_teacher_are_like(tmp_path):
    rows = pd.DataFrame({"sentence1": ["a b c", "a b c"], "sentence2": ["a b c", "a b d"], "label": [1, 0]})
    pairs = data.TextData("generated", "paraphrase", ("en",), CLASSES, MEANINGS, {}, {"train": rows})
    sentence = descriptions.surface_cues(pairs)
    assert "same meaning share 1.00 of" in sentence and "different meaning 0.50" in sentence
    run = make_run(tmp_path, "teacher-0", simulated(np.random.default_rng(0), 0.9), fit_seconds=12.0)
    assert f"accuracy on all test rows is {accuracy(run.predictions)['all']:.3f}" in sentences.teacher(run)
    assert "12 seconds" in sentences.teacher(run)
    assert (
        "% of the test rows, the probability of the teacher's prediction is within 0.01"
        in sentences.confidence(run)
    )


@pytest.mark.parametrize(
    ("accuracies", "claim"),
    [
        (HELPS, "student outperforms the baseline"),
        (HURTS, "student is worse than the baseline"),
        (UNCLEAR, "the result is inconclusive"),
    ],
)
def test_languages_without_labels(tmp_path, some, accuracies, claim):
    arms = make_arms(tmp_path, *accuracies)
    assert "none is zero-shot" in sentences.zero_shot(arms, some)
    english = some.profile.data.model_copy(update={"train_languages": ("en",)})
    other = Study(some.profile.model_copy(update={"data": english}), some.store)
    sentence = sentences.zero_shot(arms, other)
    assert sentence.startswith("No label in German was used for training.") and claim in sentence
    assert comparisons.language_groups(other) == {comparisons.TRAINED: ["en"], comparisons.ZERO_SHOT: ["de"]}
    gains = comparisons.compare_zero_shot(arms, other)
    assert gains[comparisons.ZERO_SHOT].gain == comparisons.compare_on(arms, "de").gain


@pytest.mark.parametrize(
    ("accuracies", "claim"),
    [(HELPS, "a significant gain"), (HURTS, "a significant loss"), (UNCLEAR, "inconclusive")],
)
def test_the_gain_of_an_arm(tmp_path, accuracies, claim):
    assert claim in sentences.gain_over_baseline(make_arms(tmp_path, *accuracies), "distilled")


def test_where_a_study_has_transfer_students_they_are_what_it_is_about(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.7, 0.7, transfer=0.8)
    assert arms.distilled_arm == "transfer" and arms.distilled is arms["transfer"]
    assert list(arms.main) == ["teacher", "baseline", "distilled", "transfer"]
    assert comparisons.compare_on(arms).gain.value > 0.05
    smoke = Study(profile.load("smoke"), Store(tmp_path / "store"))
    assert "the transfer student is better" in sentences.headline(arms, smoke)
    assert "The transfer student agrees" in sentences.agreement(arms)


def test_rows_without_labels_are_counted(tmp_path, some):
    smoke = Study(profile.load("smoke"), Store(tmp_path / "store"))
    assert "40 training items (80 rows) have a label, and **40 rows**" in descriptions.unlabelled_rows(smoke)
    assert "all 60 training items have a label" in descriptions.unlabelled_rows(some)


def test_a_confirmation_is_stated_where_there_is_one(tmp_path, some):
    assert "not repeated" in sentences.confirmed(some)
    embedded = Study(profile.load("embedded"), Store(tmp_path))
    assert "repeated 10 times" in sentences.confirmed(embedded)
    assert "transfer minus baseline was **" in sentences.confirmed(embedded)
