"""The finding is what the results show, in each of its forms."""

import re

import pytest
from runs import make_arms

from kdbook.pages import finding
from kdbook.pages.finding import ALL_ROWS, SAME_ROWS, SOFT_LABELS
from kdbook.settings import profile, replicates
from kdbook.settings.replicates import Replicate
from kdbook.stats import comparisons
from kdbook.stats.estimates import Estimate
from kdbook.store.local import Store
from kdbook.study.study import Study

BETTER = Estimate(0.10, 0.08, 0.12, 0.0005, seeds=5, margin=0.02)
WORSE = Estimate(-0.10, -0.12, -0.08, 0.0005, seeds=5, margin=0.02)
EQUIVALENT = Estimate(0.001, -0.01, 0.012, 0.8, seeds=5, margin=0.02, p_margin=0.001)
OPEN = Estimate(0.01, -0.05, 0.06, 0.8, seeds=5, margin=0.02, p_margin=0.7)


@pytest.fixture
def study(tmp_path) -> Study:
    smoke = profile.load("smoke")
    question = smoke.primary.model_copy(update={"margin": 2.0, "arm": "transfer"})
    return Study(smoke.model_copy(update={"primary": question}), Store(tmp_path / "store"))


@pytest.fixture
def arms(tmp_path):
    return make_arms(tmp_path, 0.9, 0.6, 0.7, **{"transfer": 0.85, "pseudo-labels": 0.7})


def stated(monkeypatch, arms, study, **found) -> str:
    pairs = {"all_rows": ALL_ROWS, "soft_labels": SOFT_LABELS, "same_rows": SAME_ROWS}
    differences = {pairs[name]: estimate for name, estimate in found.items()}
    monkeypatch.setattr(comparisons, "estimated_differences", lambda *given: differences)
    return finding.finding(arms, study)


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (BETTER, ["**is better**", r"\*\*add \+10.0 points", "the teacher adds"]),
        (WORSE, ["**is worse**", r"\*\*cost -10.0 points", "the teacher costs"]),
        (EQUIVALENT, ["equivalent within 2 points", "add less than 2 points", "changes less than 2 points"]),
        (OPEN, [r"without is \*\*open", r"same rows is \*\*open", "alone is open"]),
    ],
    ids=["better", "worse", "equivalent", "open"],
)
def test_each_part_has_the_words_of_its_result(monkeypatch, arms, study, estimate, words):
    sentence = stated(monkeypatch, arms, study, all_rows=estimate, soft_labels=estimate, same_rows=estimate)
    for word in words:
        assert re.search(word if "\\" in word else re.escape(word), sentence), (word, sentence)
    assert sentence.startswith("With 5 seeds: ")


def test_equivalence_is_corrected_for_the_number_of_differences(monkeypatch, arms, study):
    near = Estimate(0.001, -0.018, 0.019, 0.8, seeds=5, margin=0.02, p_margin=0.03)
    sentence = stated(monkeypatch, arms, study, all_rows=near, soft_labels=near, same_rows=near)
    assert "equivalent" not in sentence and sentence.count("open") == 3


def test_the_results_of_runs_decide(arms, study):
    sentence = finding.finding(arms, study)
    assert "**is better** than one without a teacher" in sentence
    assert re.search(r"\*\*add \+1\d\.\d points", sentence)
    assert "0% of the test rows" in sentence and "do differ from labels" in sentence


def test_an_open_question_names_what_would_settle_it(monkeypatch, arms, study):
    by_seeds = Estimate(0.007, -0.01, 0.024, 0.4, seeds=10, seed_share=1.0, margin=0.02, p_margin=0.1)
    by_items = Estimate(0.007, -0.05, 0.064, 0.4, seeds=10, seed_share=0.1, margin=0.02, p_margin=0.6)
    for estimate, words in ((by_seeds, r"about 1\d seeds would show"), (by_items, "take more test rows")):
        found = stated(monkeypatch, arms, study, all_rows=BETTER, same_rows=OPEN, soft_labels=estimate)
        assert re.search(words, found), found


def test_with_one_seed_nothing_is_found(monkeypatch, arms, study):
    one = Estimate(0.1, 0.05, 0.15, 0.001, seeds=1)
    assert "can't be said" in stated(monkeypatch, arms, study, all_rows=one, soft_labels=one, same_rows=one)


def test_without_pseudo_labels_soft_labels_are_not_judged(tmp_path, study):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7, transfer=0.85)
    assert "can't be told from predicted classes" in finding.finding(arms, study)


def test_replicates_decide_where_there_are_some(monkeypatch, arms, study):
    accuracies = {"baseline": 0.7, "distilled": 0.7, "transfer": 0.87, "pseudo-labels": 0.861}
    found = [
        Replicate(
            seed=seed,
            accuracy={arm: {"all": value + 0.001 * (seed % 3)} for arm, value in accuracies.items()},
            keys={},
        )
        for seed in range(10)
    ]
    monkeypatch.setattr(replicates, "load", lambda name: found)
    sentence = finding.finding(arms, study)
    assert sentence.startswith("In 10 replicates")
    assert "+17.0 points" in sentence and "**add +0.9 points" in sentence


def test_a_teacher_that_is_nearly_certain_is_named_as_the_reason(tmp_path, study):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7)
    for run in arms.teachers:
        of_one = run.predictions["prediction"] * 0.998 + 0.001
        vars(run)["predictions"] = run.predictions.assign(probability_0=1 - of_one, probability_1=of_one)
    assert "100% of the test rows" in finding.certainty(arms) and "hardly more" in finding.certainty(arms)


@pytest.mark.parametrize(
    ("estimate", "words"),
    [(BETTER, "**better**"), (WORSE, "**worse**"), (OPEN, "**not shown to be better**")],
    ids=["better", "worse", "open"],
)
def test_the_first_page_has_it_in_two_sentences(monkeypatch, arms, study, estimate, words):
    differences = dict.fromkeys((ALL_ROWS, SOFT_LABELS, SAME_ROWS), estimate)
    monkeypatch.setattr(comparisons, "estimated_differences", lambda *given: differences)
    sentence = finding.in_short(arms, study)
    assert (words in sentence and "to pseudo-labels" in sentence) or "than pseudo-labels" in sentence
    assert len(sentence.split()) < 50


def test_a_study_in_which_every_row_has_a_label_has_a_finding_too(tmp_path, study):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.75)
    assert "With a teacher, the student is **better**" in finding.in_short(arms, study)
    assert "On the labelled rows alone, the teacher adds" in finding.finding(arms, study)
