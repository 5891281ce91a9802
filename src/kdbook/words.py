"""Sentences whose truth depends on the results, chosen from the results.

A chapter that said "distillation helps" would be wrong with other data, seeds or settings. So it asks for the sentence.
Every function returns Markdown.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from kdbook import costs, evaluate, stats, tables
from kdbook.data import TextData, word_counts, word_overlap
from kdbook.evaluate import LANGUAGE_NAMES
from kdbook.profile import ALL, BASELINE, DISTILLED, MAIN_ARMS, TEACHER
from kdbook.store import Run
from kdbook.study import Study

if TYPE_CHECKING:
    from kdbook import deployment

COARSE = 0.1  # a difference of accuracies; published gains of distillation on such tasks are a few points at most
HELPS, HURTS, UNKNOWN = "helps", "hurts", "these runs do not tell whether it helps"


def task(data: TextData) -> str:
    """What a model is to tell about a row of these data."""
    if data.paraphrases:
        return "A row holds two sentences of one language, and the task is to tell whether they mean the same (1) or not (0)."
    held = "two texts" if data.pairs else "one text"
    return f"A row holds {held}, and the task is to tell which of {len(data.classes)} classes it is of: {_and(map(_quoted, data.classes))}."


def surface(data: TextData) -> str:
    """What the outside of the training rows tells about their class: common words of the two texts, or the length of the one."""
    train = data["train"]
    if data.paraphrases:
        shared = word_overlap(train).groupby(train["label"]).mean()
        return f"Pairs of the same meaning share {shared[1]:.2f} of their words on average, pairs of different meaning {shared[0]:.2f}."
    means = (word_overlap(train) if data.pairs else word_counts(train)).groupby(train["label"]).mean()
    said = _and(f"{_quoted(name)}: {means[label]:.{2 if data.pairs else 1}f}" for label, name in enumerate(data.classes))
    return f"{'Share of common words' if data.pairs else 'Words of a text'}, means by class: {said}."


def differing_labels(data: TextData) -> str:
    """How many ids were found whose labels differ between the languages."""
    counts = ", ".join(f"{audit.differing_ids()} in {split}" for split, audit in data.audits.items())
    return f"Ids whose labels differ between the languages before anything is dropped: {counts}."


def teacher(run: Run) -> str:
    """What the first teacher reaches, and how long it took."""
    row = evaluate.by_run([run]).iloc[0]
    return (
        f"The first teacher answers {row[ALL]:.3f} of all test rows rightly. Its fit took {row[tables.FIT]:.0f} seconds, and it "
        f"predicts about {len(run.predictions) / row[tables.PREDICT]:.0f} rows a second."
    )


def sureness(run: Run) -> str:
    """On how many test rows a teacher is as good as certain."""
    *_, nearest = evaluate.share_of_sure(run.predictions).items()
    return f"On {nearest[1]:.0%} of the test rows the teacher's probability is {nearest[0]} of certainty."


def headline(arms: Mapping[str, Sequence[Run]], study: Study) -> str:
    """Accuracies of the three arms, and what follows for the question that the profile asked before any run."""
    means = evaluate.summary(arms)[ALL]
    reached = ", ".join(f"the {_name(arm)} **{means[arm]:.3f}**" for arm in MAIN_ARMS)
    return f"On all test rows {reached}. {primary(arms, study)}"


def primary(arms: Mapping[str, Sequence[Run]], study: Study) -> str:
    """The answer to the primary question of the study."""
    asked = study.profile.primary
    found = evaluate.contrast(arms[asked.against], arms[asked.arm], asked.test)
    unclear = "this study is too small to tell which is better" if too_small(found) else "these runs do not tell which is better"
    verdict = {1: f"the {_name(asked.arm)} is better", -1: f"the {_name(asked.arm)} is worse", 0: unclear}
    seeds = min(len(arms[asked.against]), len(arms[asked.arm]))
    return (
        f"The {_name(asked.arm)} differs from the {_name(asked.against)} on {_test(asked.test)} by {_points(found)} points "
        f"(95 % interval {_interval(found)}, {_count(seeds, 'pair')} of runs): **{verdict[found.direction]}**.{_one_seed(seeds)}"
    )


def gap(arms: Mapping[str, Sequence[Run]]) -> str:
    """Whether the teacher is ahead of the baseline, and by how much."""
    teacher, baseline = arms[TEACHER], arms[BASELINE]
    taught = [teacher[number % len(teacher)] for number in range(len(baseline))]
    found = stats.difference([run.predictions for run in baseline], [run.predictions for run in taught])
    numbers = f"{_points(found)} points (95 % interval {_interval(found)})"
    return {
        1: f"The teacher is ahead of the baseline by {numbers}: there is something to teach.",
        0: f"The teacher differs from the baseline by {numbers}: these runs do not show that it has anything to teach.",
        -1: f"The teacher differs from the baseline by {numbers}: it is the worse model, and has nothing to teach.",
    }[found.direction]


def sizes(arms: Mapping[str, Sequence[Run]]) -> str:
    """How much smaller and quicker the student is than the teacher."""
    teacher, student = arms[TEACHER][0], arms[BASELINE][0]
    backbone, total = (teacher.record["parameters"][part] / student.record["parameters"][part] for part in ("backbone", "total"))
    speed = costs.seconds_per_row(teacher) / costs.seconds_per_row(student)
    return (
        f"Without embeddings the teacher has {backbone:.1f} times as many parameters as the student, with them {total:.1f} times. "
        f"In large batches the student answers {_times(speed)} as many rows in the same time."
    )


def failed(arms: Mapping[str, Iterable[Run]]) -> str:
    """Runs that learnt nothing; they are counted like all others."""
    poor = []
    for runs in arms.values():
        for run in runs:
            if evaluate.accuracy(run.predictions)[ALL] <= evaluate.constant(run.predictions):
                poor.append(f"`{run.record['name']}`")
    if not poor:
        return "Every run learnt something: none is as bad as always giving the more frequent answer."
    return f"{_and(poor)} did no better than always giving the more frequent answer; what failed is counted like all else."


def by_language(found: Mapping[str, stats.Comparison]) -> str:
    """In which languages distillation helps, after Holm's correction for their number."""
    adjusted = stats.holm({test: c.gain.p for test, c in found.items() if test != ALL})
    directions = {test: found[test].gain.direction if p < 1 - stats.LEVEL else 0 for test, p in adjusted.items()}
    parts = []
    for direction, words in ((1, HELPS), (-1, HURTS), (0, UNKNOWN)):
        tests = [_language(test) for test, its in directions.items() if its == direction]
        if tests:
            parts.append(f"in {_and(tests)} {words if direction == 0 else f'it clearly {words}'}")
    return f"Language by language, {_and(parts)}."


def transfer(arms: Mapping[str, Sequence[Run]], study: Study) -> str:
    """Whether distillation also helps in languages that no model was trained on."""
    unseen = study.profile.data.unseen
    if not unseen:
        return "The models were trained on every language of this study, so it has no zero-shot transfer."
    gain = evaluate.transfer(arms, study)[evaluate.UNSEEN].gain
    verdict = {1: f"clearly {HELPS}", -1: f"clearly {HURTS}", 0: UNKNOWN}[gain.direction]
    subject = "distillation " if gain.direction else ""
    return (
        f"No model was trained on {_and(map(_language, unseen))}. There, {subject}{verdict}: {_points(gain)} points "
        f"(95 % interval {_interval(gain)})."
    )


def recovery(found: stats.Comparison) -> str:
    """Which share of the teacher's lead distillation recovers, or why that can't be said."""
    if found.recovery is None:
        return "The teacher is not clearly ahead of the baseline, so the recovered share of its lead is **undefined**."
    share = f"{found.recovery.value:.2f} (95 % interval {found.recovery.low:.2f} to {found.recovery.high:.2f})"
    if found.recovery.direction < 0:
        return f"The recovered share of the teacher's lead is {share}: below 0, the students lost by learning from it."
    return f"The recovered share of the teacher's lead is **{share}**."


def detectable(found: stats.Estimate) -> str:
    """Which differences a study of this size can find."""
    smallest = 100 * found.detectable
    seen = "larger" if abs(100 * found.value) >= smallest else "smaller"
    advice = " For smaller ones it needs more test rows." if too_small(found) else ""
    return (
        f"A study of this size finds a true difference of **{smallest:.1f} points** in four of five repetitions. "
        f"The difference seen here is {seen} than that.{advice}"
    )


def too_small(found: stats.Estimate) -> bool:
    """Whether nothing was found where only a difference larger than distillation ever makes could have been."""
    return found.direction == 0 and found.detectable > COARSE


def beaten(found: pd.DataFrame) -> str:
    """Which controls the distilled student beats, from :func:`kdbook.evaluate.contrasts` of ``(control, distilled)``."""
    names = {row: str(row).rpartition(" − ")[2] for row in found.index}
    significant = found["adjusted"] < 1 - stats.LEVEL
    if found.empty:
        return "This profile has no controls."
    groups = (
        ("The distilled student clearly beats", significant & (found["value"] > 0)),
        ("It is clearly worse than", significant & (found["value"] < 0)),
        ("It is not shown to beat", ~significant),
    )
    sentences = [f"{words} {_and([f'*{names[row]}*' for row in found.index[chosen]])}." for words, chosen in groups if chosen.any()]
    return " ".join(sentences)


def varied(found: pd.DataFrame) -> str:
    """Which variations differ from what they vary, from :func:`kdbook.evaluate.contrasts` of ``(reference, variation)``."""
    names = {row: str(row).partition(" − ")[0] for row in found.index}
    significant = found["adjusted"] < 1 - stats.LEVEL
    better, worse = (found.index[significant & (found["value"] * sign > 0)] for sign in (1, -1))
    if found.empty:
        return "This profile has no variations."
    if not significant.any():
        return "None of the variations differs clearly from what it varies, once the number of comparisons is allowed for."
    groups = (("clearly better", better), ("clearly worse", worse))
    parts = [f"{word}: {_and([f'*{names[row]}*' for row in rows])}" for word, rows in groups if len(rows)]
    rest = "" if significant.all() else " For the others these runs do not tell."
    return f"Once the number of comparisons is allowed for, {'; '.join(parts)}.{rest}"


def agreement(arms: Mapping[str, Sequence[Run]]) -> str:
    """Whether distillation brings the student nearer to its teacher."""
    found = evaluate.agreement_gain(arms)
    verdict = {1: "more often than", -1: "less often than", 0: "not clearly more or less often than"}[found.direction]
    return (
        f"The distilled student gives its teacher's answer {verdict} the baseline: {_points(found)} points "
        f"(95 % interval {_interval(found)})."
    )


def calibration(errors: pd.Series) -> str:
    """Calibration errors of the three arms."""
    return "Expected calibration error: " + ", ".join(f"{_name(arm)} **{errors[arm]:.3f}**" for arm in MAIN_ARMS) + "."


def price(arms: Mapping[str, Sequence[Run]]) -> str:
    """What a distilled student costs in seconds of training, without and with its share of the teachers."""
    table = costs.training(arms)
    plain, distilled = table["fit"][BASELINE], table["fit"][DISTILLED]
    in_all = table["in all"][DISTILLED]
    return (
        f"A plain fit of the student takes {plain:.0f} seconds, a distilled one {distilled:.0f}: **{distilled / plain:.2f} times** "
        f"as long. With its share of the teachers' training it is {in_all:.0f} seconds, {in_all / plain:.1f} times."
    )


def budget(arms: Mapping[str, Sequence[Run]], control: str) -> str:
    """Whether a control was given at least the time of distillation."""
    seconds = costs.training(arms)["in all"]
    given, needed = seconds[control], seconds[DISTILLED]
    verdict = "so the comparison is fair to it" if given >= needed else "so it was given less, which is in favour of distillation"
    return f"*{control}* took {given:.0f} seconds, distillation with its share of the teachers {needed:.0f}, {verdict}."


def parity(shipped: "deployment.Shipped") -> str:
    """What shipping changes in a student's answers."""
    same = shipped.rows - shipped.different
    change = shipped.change
    verdict = {1: "which is better", -1: "which is worse", 0: "which is no clear difference"}[change.direction]
    return (
        f"In 32 bits the exported student gives AutoMM's answer to **{same:,} of {shipped.rows:,}** test rows; the largest difference of "
        f"a probability is {shipped.distance:.1e}. In 8 bits its accuracy changes by **{_points(change)} points** (95 % interval "
        f"over items {_interval(change)}), {verdict}."
    )


def speed(shipped: "deployment.Shipped") -> str:
    """How small and fast a shipped student is."""
    automm, *_, smallest = shipped.sizes
    size, time = (figures[smallest] / figures[automm] for figures in (shipped.sizes, shipped.latencies))
    return (
        f"The model of 8 bits has {size:.2f} of the size of AutoMM's predictor and answers one row {_times(1 / time)} as fast as "
        "AutoMM's own tokenizer and network do, without counting the start of AutoMM's trainer."
    )


def _points(estimate: stats.Estimate) -> str:
    return f"{100 * estimate.value:+.1f}"


def _interval(estimate: stats.Estimate) -> str:
    return f"{100 * estimate.low:+.1f} to {100 * estimate.high:+.1f}"


def _one_seed(seeds: int) -> str:
    return "" if seeds > 1 else " With one seed, the interval knows only the chance of the test items."


def _name(arm: str) -> str:
    return f"{arm} student" if arm == DISTILLED else arm


def _test(test: str) -> str:
    return "all test rows" if test == ALL else f"the {_language(test)} test rows"


def _language(test: str) -> str:
    return LANGUAGE_NAMES.get(test, test)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _times(ratio: float) -> str:
    return f"{ratio:.1f} times" if ratio >= 1 else f"only {ratio:.2f} times"


def _quoted(text: str) -> str:
    return f"*{text}*"


def _and(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
