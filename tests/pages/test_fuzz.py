"""Every sentence about a simulated study is checked against numbers that are computed here in another way.

Studies have 1 to 10 seeds, 1 to 2,000 items, 1 to 3 languages and 2 to 20 classes; arms are equal, better, worse or
collapsed to one class, and probabilities may be ties, certain or uniform.
"""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import STUDIES
from runs import make_record, make_spec

from kdbook.pages import sentences
from kdbook.settings.arms import PrimaryComparison
from kdbook.stats import bootstrap, calibration, comparisons
from kdbook.store.run import Run
from kdbook.study.arms import Arms

pytestmark = pytest.mark.training

LANGUAGES = ["en", "de", "zh"]
ARMS = ["teacher", "baseline", "distilled", "longer", "variation"]
NUMBER = r"([+-]?\d+\.\d)"


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """The sentences are compared with the intervals that they state, whatever those are."""
    usual = bootstrap.RESAMPLES
    monkeypatch.setattr(bootstrap, "RESAMPLES", 400)
    for name in ("difference", "differences", "differences_by_group", "mean_score", "compare"):
        function = getattr(bootstrap, name)
        fewer = tuple(400 if default == usual else default for default in function.__defaults__)
        monkeypatch.setattr(function, "__defaults__", fewer)


class Study:
    """A simulated study: its arms, and what the sentences read of its settings."""

    def __init__(self, seed: int) -> None:
        rng = self.rng = np.random.default_rng(seed)
        self.seeds = int(rng.integers(1, 11))
        self.items = int(np.exp(rng.uniform(0, np.log(2000))))
        self.languages = LANGUAGES[: int(rng.integers(1, 4))]
        self.classes = int(rng.choice([2, 2, 3, 20]))
        rare = rng.random() < 0.3
        labels = (
            np.where(rng.random(self.items) < 0.95, 0, 1)
            if rare
            else rng.integers(0, self.classes, self.items)
        )
        rows = len(self.languages)
        self.rows = pd.DataFrame(
            {
                "id": np.tile(np.arange(self.items), rows),
                "language": np.repeat(self.languages, self.items),
                "label": np.tile(labels, rows),
            }
        )
        runs = {arm: self._arm(arm) for arm in ARMS}
        self.arms = Arms(runs)
        question = PrimaryComparison(arm="distilled")
        data = SimpleNamespace(languages=self.languages, languages_without_labels=self.languages[1:])
        self.profile = SimpleNamespace(primary=question, data=data)

    def _arm(self, arm: str) -> list[Run]:
        number = min(2, self.seeds) if arm == "teacher" else self.seeds
        accuracy = self.rng.choice([0.3, 0.5, 0.7, 0.9, 0.99, 1.0])
        return [self._run(arm, seed, accuracy, self.rng.random() < 0.1) for seed in range(number)]

    def _run(self, arm: str, seed: int, accuracy: float, collapsed: bool) -> Run:
        label = self.rows["label"].to_numpy()
        correct = self.rng.random(len(label)) < accuracy
        prediction = np.where(correct, label, (label + 1) % self.classes)
        prediction = np.zeros_like(label) if collapsed else prediction
        sure = self.rng.choice([1.0, 0.5, self.rng.uniform(0.5, 1)])
        shares = np.full((len(label), self.classes), (1 - sure) / (self.classes - 1))
        shares[np.arange(len(label)), prediction] = sure
        columns = {f"probability_{number}": shares[:, number] for number in range(self.classes)}
        teacher = f"teacher-{seed % min(2, self.seeds)}"
        taught = teacher if arm == "distilled" else None
        run = Run(Path(f"{arm}-{seed}"))
        spec = make_spec(f"{arm}-{seed}", taught, paired_teacher=None if arm == "teacher" else teacher)
        frame = self.rows.assign(prediction=prediction, **columns)
        run.__dict__.update(record=make_record(spec.name, spec), predictions=frame, train_predictions=frame)
        return run

    def mean(self, arm: str, languages: list[str] | None = None) -> float:
        """Mean accuracy of an arm, in percent."""
        kept = self.rows["language"].isin(languages or self.languages)
        correct = [
            (run.predictions["prediction"] == self.rows["label"])[kept].mean() for run in self.arms[arm]
        ]
        return 100 * float(np.mean(correct))

    def by_pair(self, after: str, before: str, languages: list[str] | None = None) -> float:
        return self.mean(after, languages) - self.mean(before, languages)


def difference_in(text: str) -> tuple[float, float, float]:
    """Value and interval of a difference in points."""
    match = re.search(rf"{NUMBER} points\W* \(95% CI {NUMBER} to {NUMBER}", text)
    assert match, text
    value, low, high = map(float, match.groups())
    assert low <= high
    return value, low, high


def assert_verdict(text: str, better: str, worse: str, seeds: int) -> None:
    """A claim only where the stated interval has that sign, and none from one run of each arm."""
    _, low, high = difference_in(text)
    if re.search(better, text):
        assert low >= 0 and seeds > 1, text
    elif re.search(worse, text):
        assert high <= 0 and seeds > 1, text


@pytest.mark.parametrize("part", range(8))
def test_sentences_say_what_the_numbers_say(part):
    for seed in range(part * STUDIES // 8, (part + 1) * STUDIES // 8):
        check(Study(seed))


def check(study: Study) -> None:
    arms, seeds = study.arms, study.seeds
    primary = sentences.primary(arms, study)
    assert difference_in(primary)[0] == pytest.approx(study.by_pair("distilled", "baseline"), abs=0.06)
    assert_verdict(primary, "student is better", "student is worse", seeds)
    gain = sentences.gain_over_baseline(arms, "distilled")
    assert difference_in(gain) == difference_in(primary)
    assert_verdict(gain, "significant gain", "significant loss", seeds)
    assert ("inconclusive" in gain) == (not re.search("significant gain|significant loss", gain))
    check_gap_and_recovery(study)
    check_languages(study)
    check_variations(study)
    check_failures(study)
    check_probabilities(study)
    detectable = sentences.detectable(comparisons.compare_on(arms).gain)
    assert ("can't be said" in detectable) == (1 < seeds < 4)
    if match := re.search(rf"\*\*{NUMBER} points\*\*", detectable):
        assert float(match[1]) >= 100 / study.items - 0.06
        larger = abs(study.by_pair("distilled", "baseline")) >= float(match[1])
        near = abs(abs(study.by_pair("distilled", "baseline")) - float(match[1])) < 0.06
        assert near or larger == ("difference is larger" in detectable)


def check_gap_and_recovery(study: Study) -> None:
    gap = sentences.gap(study.arms)
    difference_in(gap)
    assert_verdict(gap, "outperforms the baseline", "weaker model", study.seeds)
    recovery = sentences.recovery(comparisons.compare_on(study.arms))
    paired = np.mean(
        [
            100 * (run.predictions["prediction"] == study.rows["label"]).mean()
            for run in study.arms.teachers_of("distilled")
        ]
    )
    lead = paired - study.mean("baseline")
    if "undefined" in recovery:
        return
    assert lead > 0
    value, low, high = map(
        float, re.search(r"(-?\d+\.\d\d) \(95% CI (-?\d+\.\d\d) to (-?\d+\.\d\d)", recovery).groups()
    )
    assert value == pytest.approx(study.by_pair("distilled", "baseline") / lead, abs=0.006)
    assert ("below 0" in recovery) <= (high <= 0) and ("more than all" in recovery) <= (low >= 1)


def check_languages(study: Study) -> None:
    by_test = comparisons.compare_by_test(study.arms)
    said = sentences.by_language(study.arms, by_test)
    for language in study.languages:
        assert {"en": "English", "de": "German", "zh": "Chinese"}[language] in said
    if study.seeds == 1:
        assert "outperforms the baseline" not in said and "is worse than" not in said
    if "is significant" in said:
        assert len(study.languages) > 1
    if study.profile.data.languages_without_labels:
        zero_shot = sentences.zero_shot(study.arms, study)
        expected = study.by_pair("distilled", "baseline", study.languages[1:])
        assert difference_in(zero_shot)[0] == pytest.approx(expected, abs=0.06)
        assert_verdict(
            zero_shot, "student outperforms the baseline", "student is worse than the baseline", study.seeds
        )


def check_variations(study: Study) -> None:
    pairs = [("longer", "distilled"), ("baseline", "distilled")]
    beaten = sentences.beaten(comparisons.differences_between(study.arms, pairs))
    for control in ("longer", "baseline"):
        if re.search(rf"significantly outperforms[^.]*\*{control}\*", beaten):
            assert study.by_pair("distilled", control) > 0
        if re.search(rf"significantly worse than[^.]*\*{control}\*", beaten):
            assert study.by_pair("distilled", control) < 0
    varied = sentences.varied(comparisons.differences_between(study.arms, [("distilled", "variation")]))
    if "significantly better: *variation*" in varied:
        assert study.by_pair("variation", "distilled") > 0
    if "significantly worse: *variation*" in varied:
        assert study.by_pair("variation", "distilled") < 0
    if study.seeds == 1:
        assert beaten.startswith("One run each") and varied.startswith("One run each")


def check_failures(study: Study) -> None:
    said = sentences.failed(study.arms)
    majority = study.rows["label"].value_counts(normalize=True).max()
    for runs in study.arms.values():
        for run in runs:
            accuracy = (run.predictions["prediction"] == study.rows["label"]).mean()
            if accuracy <= majority:
                assert f"`{run.name}`" in said
    assert ("Every run is shown to outperform" in said) == ("`" not in said)


def check_probabilities(study: Study) -> None:
    assert re.search(r"On \d+% of the test rows", sentences.confidence(study.arms.teachers[0]))
    agreement = sentences.agreement(study.arms)
    assert_verdict(agreement, r"teacher more often", r"teacher less often", study.seeds)
    check_calibration(study)
    for run in study.arms.teachers:
        assert np.isfinite(calibration.scaled(run.predictions)).all()


def check_calibration(study: Study) -> None:
    comparison = calibration.compare(study.arms)
    stated = sentences.calibration(comparison).split(". Its log loss")
    proper = (
        (calibration.brier_by_row, comparison.brier),
        (calibration.log_loss_by_row, comparison.log_loss),
    )
    for text, (score, difference) in zip(stated, proper, strict=True):
        means = {
            arm: np.mean([score(run.predictions).mean() for run in study.arms[arm]])
            for arm in ("baseline", "distilled")
        }
        assert difference.value == pytest.approx(means["distilled"] - means["baseline"], abs=1e-9)
        assert difference.low - 1e-9 <= difference.value <= difference.high + 1e-9
        if "significantly better" in text:
            assert means["distilled"] < means["baseline"] and study.seeds > 1
        if "significantly worse" in text:
            assert means["distilled"] > means["baseline"] and study.seeds > 1
