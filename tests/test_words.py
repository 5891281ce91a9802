"""The sentences of the book say what the results say, also where distillation hurts or nothing is clear."""

import numpy as np
import pandas as pd
import pytest
from runs import drawn, make_arms, make_run

from kdbook import data, evaluate, profile, stats, study, words
from kdbook.deployment import Shipped
from kdbook.store import Store

HELPS, HURTS, UNCLEAR = (0.9, 0.6, 0.75), (0.9, 0.75, 0.6), (0.9, 0.7, 0.7)


@pytest.fixture
def some(tmp_path) -> study.Study:
    return study.Study(profile.load("smoke"), Store(tmp_path / "store"))


@pytest.mark.parametrize(
    ("accuracies", "says", "never"),
    [
        (HELPS, "the distilled student is better", "worse|do not tell"),
        (HURTS, "the distilled student is worse", "better|do not tell"),
        (UNCLEAR, "these runs do not tell", "student is better|student is worse"),
    ],
)
def test_the_primary_question_is_answered_by_the_results(tmp_path, some, accuracies, says, never):
    sentence = words.headline(make_arms(tmp_path, *accuracies), some)
    assert says in sentence
    assert not pd.Series([sentence]).str.contains(never).any()


@pytest.mark.parametrize(("accuracies", "says"), [(HELPS, "clearly helps"), (HURTS, "clearly hurts"), (UNCLEAR, "do not tell")])
def test_each_language_has_its_own_verdict(tmp_path, accuracies, says):
    sentence = words.by_language(evaluate.comparison(make_arms(tmp_path, *accuracies)))
    assert sentence.startswith("Language by language, in English and German ") and says in sentence


def test_languages_may_differ(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.7, 0.7)
    better, worse = make_arms(tmp_path / "up", *HELPS), make_arms(tmp_path / "down", *HURTS)
    for arm in ("baseline", "distilled"):
        arms[arm] = [
            _mixed(tmp_path / "mixed", up, down, arms[arm][seed].record["spec"]["teacher"])
            for seed, (up, down) in enumerate(zip(better[arm], worse[arm], strict=True))
        ]
    sentence = words.by_language(evaluate.comparison(arms))
    assert "in English it clearly helps" in sentence and "in German it clearly hurts" in sentence


def _mixed(folder, english, german, teacher):
    parts = [english.predictions.query("language == 'en'"), german.predictions.query("language == 'de'")]
    return make_run(folder, english.record["name"], pd.concat(parts), teacher)


@pytest.mark.parametrize(
    ("accuracies", "says"), [((0.9, 0.6, 0.7), "ahead"), ((0.7, 0.7, 0.7), "do not show"), ((0.6, 0.8, 0.7), "worse model")]
)
def test_whether_there_is_a_gap(tmp_path, accuracies, says):
    assert says in words.gap(make_arms(tmp_path, *accuracies))


def test_recovery_is_undefined_without_a_gap_and_negative_where_students_lose(tmp_path):
    assert "undefined" in words.recovery(evaluate.comparison(make_arms(tmp_path / "a", 0.7, 0.7, 0.8))["all"])
    assert "lost" in words.recovery(evaluate.comparison(make_arms(tmp_path / "b", *HURTS))["all"])
    helped = words.recovery(evaluate.comparison(make_arms(tmp_path / "c", *HELPS))["all"])
    assert "lost" not in helped and "undefined" not in helped


def test_controls_are_beaten_or_not(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7, weaker=0.55, equal=0.7, stronger=0.85)
    found = evaluate.contrasts(arms, [(name, "distilled") for name in ("weaker", "equal", "stronger")])
    sentence = words.beaten(found)
    assert "clearly beats *weaker*" in sentence and "clearly worse than *stronger*" in sentence and "not shown to beat *equal*" in sentence
    assert words.beaten(evaluate.contrasts(arms, [])) == "This profile has no controls."


def test_variations_differ_or_not(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7, weaker=0.55, equal=0.7, stronger=0.85)
    sentence = words.varied(evaluate.contrasts(arms, [("distilled", name) for name in ("weaker", "equal", "stronger")]))
    assert "clearly better: *stronger*; clearly worse: *weaker*" in sentence and "equal" not in sentence
    assert "None" in words.varied(evaluate.contrasts(arms, [("distilled", "equal")]))


@pytest.mark.parametrize(
    ("accuracies", "says"), [((0.95, 0.6, 0.8), "more often"), ((0.95, 0.8, 0.6), "less often"), (UNCLEAR, "not clearly")]
)
def test_agreement_with_the_teacher(tmp_path, accuracies, says):
    assert says in words.agreement(make_arms(tmp_path, *accuracies))


def test_failed_runs_are_named(tmp_path):
    arms = make_arms(tmp_path, *HELPS)
    assert "Every run learnt something" in words.failed(arms)
    constant = arms["baseline"][0].predictions.assign(prediction=1)
    arms["baseline"][1] = make_run(tmp_path / "failed", "baseline-1", constant)
    assert "`baseline-1`" in words.failed(arms)


def test_the_price_holds_the_share_of_the_teachers(tmp_path):
    """Teachers of 10 and 11 seconds for five students: 4.2 seconds each; fits of 10 to 14 seconds on average 12."""
    sentence = words.price(make_arms(tmp_path, *HELPS))
    assert "16 seconds" in sentence and "1.3 times" in sentence and "**1.00 times**" in sentence


@pytest.mark.parametrize(("seconds", "says"), [(50.0, "fair"), (1.0, "less")])
def test_a_control_had_the_time_of_distillation_or_not(tmp_path, seconds, says):
    arms = make_arms(tmp_path, *HELPS)
    arms["longer"] = [make_run(tmp_path, "longer-0", arms["baseline"][0].predictions, fit_seconds=seconds)]
    assert says in words.budget(arms, "longer")


def test_a_slower_student_is_not_called_quicker(tmp_path):
    arms = make_arms(tmp_path, *HELPS)
    assert "1.0 times as many" in words.sizes(arms)
    quick = {size: {part: {"median": 0.5, "p95": 1.0} for part in ("tokenize", "forward")} for size in ("1", "32")}

    arms["teacher"][0] = make_run(tmp_path / "quick", "teacher-0", drawn(np.random.default_rng(0), 0.9), latency=quick)
    assert "only 0.25 times" in words.sizes(arms)


def test_what_the_data_and_the_teacher_are_like(tmp_path):
    rows = pd.DataFrame({"sentence1": ["a b c", "a b c"], "sentence2": ["a b c", "a b d"], "label": [1, 0]})
    pairs = data.TextData("generated", ("en",), data.CLASSES, data.MEANINGS, {}, {"train": rows})
    assert "same meaning share 1.00 of" in words.surface(pairs) and "different meaning 0.50" in words.surface(pairs)
    run = make_run(tmp_path, "teacher-0", drawn(np.random.default_rng(0), 0.9), fit_seconds=12.0)
    assert f"{(run.predictions['prediction'] == run.predictions['label']).mean():.3f} of all" in words.teacher(run)
    assert "12 seconds" in words.teacher(run)
    assert "% of the test rows the teacher's probability is within 0.01 of certainty" in words.sureness(run)


@pytest.mark.parametrize(
    ("low", "high", "says"), [(-0.03, -0.01, "which is worse"), (0.01, 0.03, "which is better"), (-0.01, 0.01, "no clear difference")]
)
def test_what_shipping_changes(low, high, says):
    change = stats.Estimate((low + high) / 2, low, high, 0.5)
    figures = {"AutoMM": 4.0, "model.onnx": 2.0, "model_int8.onnx": 1.0}
    shipped = Shipped(1000, 3, 1e-6, change, change, {name: int(size) for name, size in figures.items()}, figures)
    assert "**997 of 1,000**" in words.parity(shipped) and says in words.parity(shipped)
    assert "0.25 of the size" in words.speed(shipped) and "4.0 times as fast" in words.speed(shipped)


@pytest.mark.parametrize(
    ("accuracies", "says"), [(HELPS, "distillation clearly helps"), (HURTS, "distillation clearly hurts"), (UNCLEAR, "do not tell")]
)
def test_transfer_to_languages_never_seen(tmp_path, some, accuracies, says):
    arms = make_arms(tmp_path, *accuracies)
    assert "no zero-shot transfer" in words.transfer(arms, some)
    english = some.profile.data.model_copy(update={"train_languages": ("en",)})
    other = study.Study(some.profile.model_copy(update={"data": english}), some.store)
    sentence = words.transfer(arms, other)
    assert sentence.startswith("No model was trained on German.") and says in sentence
    table = evaluate.transfer_table(arms, other)
    assert table["languages"].to_dict() == {evaluate.SEEN: "en", evaluate.UNSEEN: "de"}
    means = [np.mean([evaluate.accuracy(run.predictions)["de"] for run in arms["distilled"]]), table.loc[evaluate.UNSEEN, "distilled"]]
    assert means[0] == pytest.approx(means[1])
    assert table.loc[evaluate.UNSEEN, "distilled − baseline"] == evaluate.points(*_gain(evaluate.comparison(arms)["de"]))


def _gain(found):
    return found.gain.value, found.gain.low, found.gain.high
