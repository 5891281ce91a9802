"""Sentences whose truth depends on the results, chosen from the results.

A chapter that stated "distillation helps" would be wrong with other data, seeds or settings, so it calls a
function here. Every function returns Markdown.
"""

from collections.abc import Mapping

import pandas as pd

from kdbook.analysis import bootstrap, comparisons, costs, tables
from kdbook.analysis.bootstrap import LEVEL, Estimate, ThreeWayComparison, Verdict
from kdbook.analysis.fidelity import agreement_gain
from kdbook.analysis.markup import code, emphasized, plain
from kdbook.analysis.metrics import accuracy, confidence_shares, majority_accuracy
from kdbook.analysis.phrases import (
    arm_name,
    conjunction,
    count,
    interval,
    language_name,
    points,
    test_rows,
    times,
)
from kdbook.settings import tuning
from kdbook.settings.data import ALL
from kdbook.settings.profile import BASELINE, DISTILLED
from kdbook.store.run import Run
from kdbook.study.arms import Arms
from kdbook.study.study import Study

LARGEST_PLAUSIBLE_GAIN = (
    0.1  # of accuracy; published gains of distillation on such tasks are a few points at most
)
HELPS = "helps"
HURTS = "hurts"


def teacher(run: Run) -> str:
    """The first teacher's accuracy, and its times."""
    row = tables.run_table([run]).iloc[0]
    rows_per_second = len(run.predictions) / row[tables.PREDICT]
    return (
        f"The first teacher has an accuracy of {row[ALL]:.3f} on all test rows. Its fit took "
        f"{row[tables.FIT]:.0f} seconds, "
        f"and it predicts about {rows_per_second:.0f} rows per second."
    )


def confidence(run: Run) -> str:
    """The share of test rows on which a teacher is nearly certain."""
    *_, (margin, share) = confidence_shares(run.predictions).items()
    return f"On {share:.0%} of the test rows, the probability of the teacher's prediction is {margin} of 1."


def headline(arms: Arms, study: Study) -> str:
    """Accuracies of the main arms, and the answer to the question that the profile stated before any run."""
    means = tables.summary_table(arms.main)[ALL]
    accuracies = ", ".join(f"the {arm_name(str(arm))} **{mean:.3f}**" for arm, mean in means.items())
    return f"Accuracy on all test rows: {accuracies}. {primary(arms, study)}"


def primary(arms: Arms, study: Study) -> str:
    """The answer to the primary question of the study."""
    question = study.profile.primary
    difference = comparisons.primary_difference(arms, question)
    seeds = min(len(arms[question.against]), len(arms[question.arm]))
    one_seed = "" if seeds > 1 else " With one seed, the interval covers only the sampling of test items."
    first, second = arm_name(question.arm), arm_name(question.against)
    return (
        f"The {first} differs from the {second} on {test_rows(question.test)} by {points(difference)} points "
        f"({interval(difference)}, {count(seeds, 'pair')} of runs): "
        f"**{_primary_verdict(difference, question.arm)}**.{one_seed}"
    )


def gain_over_baseline(arms: Arms, arm: str) -> str:
    """How much an arm gains over the baseline on all test rows."""
    gain = comparisons.difference_between(arms.baselines, arms[arm])
    match gain.verdict:
        case Verdict.BETTER:
            verdict = "a significant gain"
        case Verdict.WORSE:
            verdict = "a significant loss"
        case Verdict.UNCLEAR:
            verdict = "which is inconclusive"
    numbers = f"**{points(gain)} points** ({interval(gain)})"
    return f"The {arm_name(arm)} differs from the baseline by {numbers}, {verdict}."


def confirmed(study: Study) -> str:
    """What the primary question gave with seeds that were never used before."""
    record = tuning.confirmation(study.profile.name)
    if not record:
        return "The settings of this profile were not tuned in this way."
    value, low, high = (f"{100 * each:+.1f}" for each in record.gain)
    question = study.profile.primary
    return (
        "After that, nothing was changed, and the main arms were repeated once with data, teachers and "
        "students of seeds that were never used before: "
        f"{plain(question.arm)} minus {plain(question.against)} was **{value} points** (95 % interval {low} "
        f"to {high})."
    )


def _primary_verdict(difference: Estimate, arm: str) -> str:
    match difference.verdict:
        case Verdict.BETTER:
            return f"the {arm_name(arm)} is better"
        case Verdict.WORSE:
            return f"the {arm_name(arm)} is worse"
        case Verdict.UNCLEAR if too_small(difference):
            return "inconclusive, since this study is too small"
        case Verdict.UNCLEAR:
            return "inconclusive"


def gap(arms: Arms) -> str:
    """Whether the teacher outperforms the baseline, and by how much."""
    difference = comparisons.teacher_gap(arms)
    numbers = f"{points(difference)} points ({interval(difference)})"
    match difference.verdict:
        case Verdict.BETTER:
            return f"The teacher outperforms the baseline by {numbers}: there is something to teach."
        case Verdict.WORSE:
            return f"The teacher differs from the baseline by {numbers}: it has nothing to teach."
        case Verdict.UNCLEAR:
            return f"The teacher differs from the baseline by {numbers}: not shown to have anything to teach."


def sizes(arms: Arms) -> str:
    """How much smaller and faster the student is than the teacher."""
    teacher, student = arms.teachers[0], arms.baselines[0]
    large, small = teacher.measurements.parameters, student.measurements.parameters
    speed = costs.seconds_per_row(teacher) / costs.seconds_per_row(student)
    return (
        f"Without embeddings, the teacher has {large.backbone / small.backbone:.1f} times as many "
        f"parameters as the student; with embeddings, {large.total / small.total:.1f} times. In large "
        f"batches, the student predicts {times(speed)} as many rows per second."
    )


def failed(arms: Arms) -> str:
    """Runs that are no better than the majority-class baseline; they are included like all others."""
    collapsed = [
        code(run.name)
        for runs in arms.values()
        for run in runs
        if accuracy(run.predictions)[ALL] <= majority_accuracy(run.predictions)
    ]
    if not collapsed:
        return "Every run outperforms the majority-class baseline."
    return f"{conjunction(collapsed)} did not outperform the majority-class baseline; they are included."


def by_language(differences: Mapping[str, ThreeWayComparison]) -> str:
    """In which languages distillation helps, after Holm's correction for their number."""
    adjusted = bootstrap.holm({test: each.gain.p for test, each in differences.items() if test != ALL})
    groups: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    for test, p in adjusted.items():
        verdict = differences[test].gain.verdict if p < 1 - LEVEL else Verdict.UNCLEAR
        groups[verdict].append(language_name(test))
    parts = []
    if groups[Verdict.BETTER]:
        parts.append(f"distillation {HELPS} in {conjunction(groups[Verdict.BETTER])}")
    if groups[Verdict.WORSE]:
        parts.append(f"it {HURTS} in {conjunction(groups[Verdict.WORSE])}")
    if groups[Verdict.UNCLEAR]:
        parts.append(f"the result is inconclusive in {conjunction(groups[Verdict.UNCLEAR])}")
    return f"By language, {conjunction(parts)}."


def zero_shot(arms: Arms, study: Study) -> str:
    """Whether distillation also helps in zero-shot languages."""
    languages = study.profile.data.zero_shot_languages
    if not languages:
        return "The models were trained on labels in every language of this study: none is zero-shot."
    gain = comparisons.compare_zero_shot(arms, study)[comparisons.ZERO_SHOT].gain
    match gain.verdict:
        case Verdict.BETTER:
            verdict = f"distillation {HELPS}"
        case Verdict.WORSE:
            verdict = f"distillation {HURTS}"
        case Verdict.UNCLEAR:
            verdict = "the result is inconclusive"
    names = conjunction(map(language_name, languages))
    numbers = f"{points(gain)} points ({interval(gain)})"
    return f"No label in {names} was used for training. There, {verdict}: {numbers}."


def recovery(comparison: ThreeWayComparison) -> str:
    """The share of the teacher's lead that distillation recovers, or why it is undefined."""
    share = comparison.recovery
    if share is None:
        return "The teacher does not outperform the baseline, so the recovered share is **undefined**."
    numbers = f"{share.value:.2f} (95 % interval {share.low:.2f} to {share.high:.2f})"
    if share.verdict is Verdict.WORSE:
        return (
            f"The recovered share of the teacher's lead is {numbers}: below 0, since distillation made "
            "students worse."
        )
    return f"The recovered share of the teacher's lead is **{numbers}**."


def detectable(difference: Estimate) -> str:
    """The minimum difference that a study of this size detects."""
    smallest = 100 * difference.detectable
    comparison = "larger" if abs(100 * difference.value) >= smallest else "smaller"
    advice = " To detect smaller ones it needs more test rows." if too_small(difference) else ""
    return (
        f"A study of this size detects a true difference of **{smallest:.1f} points** with 80 % power. "
        f"The observed difference is {comparison}.{advice}"
    )


def too_small(difference: Estimate) -> bool:
    """Whether nothing was found where only a difference larger than distillation ever makes could have
    been.
    """
    return difference.verdict is Verdict.UNCLEAR and difference.detectable > LARGEST_PLAUSIBLE_GAIN


def beaten(differences: pd.DataFrame) -> str:
    """Which controls the student of the primary question outperforms.

    ``differences`` is that of :func:`kdbook.analysis.comparisons.differences_between` for ``(control,
    student)``.
    """
    if differences.empty:
        return "This profile has no controls."
    groups = _by_verdict(differences, "before")
    sentences = {
        Verdict.BETTER: f"The {arm_name(differences['after'].iloc[0])} significantly outperforms",
        Verdict.WORSE: "It is significantly worse than",
        Verdict.UNCLEAR: "It is not shown to outperform",
    }
    return " ".join(
        f"{words} {conjunction(groups[verdict])}." for verdict, words in sentences.items() if groups[verdict]
    )


def varied(differences: pd.DataFrame) -> str:
    """Which variations differ significantly from what they vary.

    ``differences`` is that of :func:`kdbook.analysis.comparisons.differences_between` for ``(reference,
    variation)``.
    """
    if differences.empty:
        return "This profile has no variations."
    groups = _by_verdict(differences, "after")
    names = {Verdict.BETTER: "significantly better", Verdict.WORSE: "significantly worse"}
    parts = [
        f"{words}: {conjunction(groups[verdict])}" for verdict, words in names.items() if groups[verdict]
    ]
    if not parts:
        return "After correction for the number of comparisons, no variation differs significantly."
    rest = " The others are inconclusive." if groups[Verdict.UNCLEAR] else ""
    return f"After correction for the number of comparisons, {'; '.join(parts)}.{rest}"


def _by_verdict(differences: pd.DataFrame, arm: str) -> dict[Verdict, list[str]]:
    """The arms of some differences, emphasized, by what their adjusted p-value says."""
    groups: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    for _, row in differences.iterrows():
        significant = row["adjusted"] < 1 - LEVEL
        sign = int(row["value"] > 0) - int(row["value"] < 0) if significant else 0
        groups[Verdict(sign)].append(emphasized(row[arm]))
    return groups


def agreement(arms: Arms) -> str:
    """Whether distillation makes the student agree more with its teacher."""
    gain = agreement_gain(arms)
    match gain.verdict:
        case Verdict.BETTER:
            verdict = "more often than"
        case Verdict.WORSE:
            verdict = "less often than"
        case Verdict.UNCLEAR:
            verdict = "not significantly more or less often than"
    return (
        f"The {arm_name(arms.distilled_arm)} agrees with its teacher {verdict} the baseline: "
        f"{points(gain)} points ({interval(gain)})."
    )


def calibration(errors: pd.Series) -> str:
    """Calibration errors of the main arms."""
    by_arm = ", ".join(f"{arm_name(str(arm))} **{error:.3f}**" for arm, error in errors.items())
    return f"Expected calibration error: {by_arm}."


def price(arms: Arms) -> str:
    """What a distilled student costs in seconds of training, without and with its share of the teachers."""
    table = costs.training(arms)
    plain, distilled = table["fit"][BASELINE], table["fit"][DISTILLED]
    in_all = table["in all"][DISTILLED]
    return (
        f"A plain fit of the student takes {plain:.0f} seconds, a distilled one {distilled:.0f}: "
        f"**{distilled / plain:.2f} times** as long. Including its share of the teachers' training, it takes "
        f"{in_all:.0f} seconds, {in_all / plain:.1f} times as long."
    )


def budget(arms: Arms, control: str) -> str:
    """Whether a control was given at least the time of distillation."""
    if control not in arms:
        return f"This profile has no control named {emphasized(control)}."
    seconds = costs.training(arms)["in all"]
    used, needed = seconds[control], seconds[arms.distilled_arm]
    verdict = (
        "so the comparison is fair to it"
        if used >= needed
        else "so it had less time, which favours distillation"
    )
    return (
        f"{emphasized(control)} took {used:.0f} seconds, distillation including its share of the teachers "
        f"{needed:.0f}, {verdict}."
    )
