"""Sentences whose truth depends on the results, chosen from the results.

A chapter that stated "the student is better" would be wrong with other data, seeds or settings, so it calls a
function here. Every function returns Markdown.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import pandas as pd

from kdbook.pages import tables
from kdbook.pages.markup import (
    arm_name,
    code,
    conjunction,
    count,
    emphasized,
    in_points,
    interval,
    language_name,
    margin_in_points,
    plain,
    points,
    relation,
    test_rows,
    times,
)
from kdbook.settings import replicates
from kdbook.settings.arms import BASELINE, DISTILLED, LINEAR, TEACHER
from kdbook.settings.data import ALL
from kdbook.stats import bootstrap, comparisons, costs, estimates
from kdbook.stats.calibration import CalibrationComparison
from kdbook.stats.estimates import Estimate, Relation, ThreeWayComparison, Verdict
from kdbook.stats.fidelity import agreement_gain
from kdbook.stats.metrics import confidence_shares, has_failed, in_processor_time
from kdbook.store.run import Run
from kdbook.study.arms import Arms
from kdbook.study.study import Study

LARGEST_PLAUSIBLE_GAIN = 0.1  # published gains on the same rows are a few points
ONE_RUN_EACH = "one run each, which shows a difference between models, not between ways to train them"


def teacher(run: Run) -> str:
    """The first teacher's score, and its times."""
    row = tables.run_table([run]).iloc[0]
    unit = "seconds of processor time" if in_processor_time([run]) else "seconds"
    return (
        f"The first teacher's {run.metric} on all test rows is {row[ALL]:.3f}. Its fit took "
        f"{row[tables.FIT]:.0f} {unit}, and in batches of 32 it predicts about "
        f"{1 / costs.seconds_per_row(run):.0f} rows per second."
    )


def headline(arms: Arms, study: Study) -> str:
    """Scores of the linear model and the main arms, and the answer to the question that the profile stated
    before any run; before all, whether the teacher is no better than the linear model.
    """
    means = tables.summary_table(arms.only(LINEAR, *arms.main))[ALL]
    scores = ", ".join(f"the {arm_name(str(arm))} **{mean:.3f}**" for arm, mean in means.items())
    metric = study.profile.primary.metric
    stated = f"{metric[0].upper()}{metric[1:]} on all test rows: {scores}. {primary(arms, study)}"
    difference = comparisons.over_linear(arms, TEACHER)
    is_better = difference.verdict is Verdict.BETTER
    return stated if is_better else f"{_over_linear(difference, TEACHER)}. {stated}"


def over_linear(arms: Arms, arm: str, test: str = ALL) -> str:
    """Whether an arm outperforms the linear model on the same labels, and by how much."""
    return f"{_over_linear(comparisons.over_linear(arms, arm, test), arm)} on {test_rows(test)}."


def _over_linear(difference: Estimate, arm: str) -> str:
    name, model = arm_name(arm), "(TF-IDF with logistic regression)"
    words = difference.verdict.choose(
        better=f"The {name} outperforms the linear model {model} by",
        worse=f"**The {name} is worse than the linear model** {model}, by",
        unclear=f"**The {name} is not shown to outperform the linear model** {model}: it differs by",
    )
    return f"{words} {in_points(difference)}"


def primary(arms: Arms, study: Study) -> str:
    """The answer to the primary question of the study."""
    question = study.profile.primary
    difference = comparisons.primary_difference(arms, question)
    first, second = arm_name(question.arm), arm_name(question.against)
    runs = count(difference.seeds, "pair") + " of runs"
    return (
        f"The {first} differs from the {second} on {test_rows(question.test)} by {points(difference)} points "
        f"({interval(difference)}, {runs}, with {_these_teachers(arms)}): "
        f"**{_primary_verdict(difference, question.arm)}**.{_rare_class(arms, study)}"
    )


def _rare_class(arms: Arms, study: Study) -> str:
    """A remark on a class that has too few test rows for a verdict in a metric that weighs classes."""
    metric = study.profile.primary.metric
    counts = arms.baselines[0].predictions["label"].value_counts()
    if metric == "accuracy" or counts.min() >= bootstrap.FEWEST_ROWS:
        return ""
    rows = count(int(counts.min()), "test row")
    return (
        f" No verdict is given on {metric}, since the rarest class has {rows} and intervals are reliable "
        f"from about {bootstrap.FEWEST_ROWS} on."
    )


def _these_teachers(arms: Arms) -> str:
    number = len(arms.teachers)
    return "this one teacher" if number == 1 else f"these {number} teachers"


def gain_over_baseline(arms: Arms, arm: str) -> str:
    """How much an arm gains over the baseline on all test rows."""
    gain = comparisons.difference_between(arms.baselines, arms[arm])
    verdict = gain.verdict.choose(
        better="a significant gain", worse="a significant loss", unclear="which is inconclusive"
    )
    numbers = f"**{points(gain)} points** ({interval(gain)})"
    return f"The {arm_name(arm)} differs from the baseline by {numbers}, {verdict}."


def confirmed(study: Study) -> str:
    """What the primary difference was in replicates of the study with everything new."""
    found = replicates.load(study.profile.name)
    if not found:
        return "This study was not repeated with other data, teachers and students."
    question = study.profile.primary
    gain = comparisons.replicated_difference(found, question, question.against, question.arm)
    compared = f"{plain(question.arm)} minus {plain(question.against)}"
    return (
        f"The study was repeated {len(found)} times with data, teachers and students of seeds that were "
        f"fixed before. On average, {compared} was **{points(gain)} points** ({interval(gain)}, from "
        f"Student's t over the replicates): {relation(gain)}."
    )


def _primary_verdict(difference: Estimate, arm: str) -> str:
    if difference.relation is not Relation.OPEN:
        return f"the {arm_name(arm)} is {relation(difference)}"
    if difference.seeds == 1:
        return ONE_RUN_EACH
    return "inconclusive, since this study is too small" if too_small(difference) else relation(difference)


def gap(arms: Arms) -> str:
    """Whether the teacher outperforms the baseline, and by how much."""
    difference = comparisons.teacher_gap(arms)
    numbers = in_points(difference)
    differs = f"The teacher differs from the baseline by {numbers}: it is"
    weak = "A weak teacher can still teach; whether it does has to be measured."
    return difference.verdict.choose(
        better=f"The teacher outperforms the baseline by {numbers}, so distillation has room to help.",
        worse=f"{differs} the weaker model. {weak}",
        unclear=f"{differs} not shown to be the better model. {weak}",
    )


def failed(arms: Arms) -> str:
    """Runs that are not shown to outperform the majority-class baseline; they are included like all
    others.
    """
    collapsed = [code(run.name) for runs in arms.values() for run in runs if has_failed(run)]
    if not collapsed:
        return "Every run is shown to outperform the majority-class baseline."
    names = conjunction(collapsed)
    return f"Not shown to outperform the majority-class baseline: {names}. All means include them."


def by_language(arms: Arms, by_test: Mapping[str, ThreeWayComparison]) -> str:
    """In which languages a student with a teacher outperforms the baseline, after Holm's correction for their
    number, and whether the languages differ in that.

    ``by_test`` is that of :func:`kdbook.stats.comparisons.compare_by_test`.
    """
    gains = {test: each.gain for test, each in by_test.items() if test != ALL}
    groups = estimates.grouped(estimates.adjusted_verdicts(gains))
    names = {verdict: conjunction(map(language_name, tests)) for verdict, tests in groups.items() if tests}
    parts = [f"{_beside_baseline(arms, verdict)} in {languages}" for verdict, languages in names.items()]
    sentence = f"By language, {conjunction(parts)}."
    return sentence if len(names) == 1 else f"{sentence} {_language_contrast(arms, gains)}"


def _language_contrast(arms: Arms, gains: Mapping[str, Estimate]) -> str:
    """Whether the gain differs between the languages with the largest and the smallest gain.

    They were chosen after looking, so the p-value is corrected for all pairs of languages.
    """
    by_gain = sorted(gains, key=lambda test: gains[test].value, reverse=True)
    contrasts = {
        f"{first}-{second}": comparisons.language_contrast(arms, first, second)
        for first, second in combinations(by_gain, 2)
    }
    largest, smallest = by_gain[0], by_gain[-1]
    contrast = contrasts[f"{largest}-{smallest}"]
    if contrast is None:
        return "Whether the languages differ can't be said, since they have no test item in common."
    verdicts = estimates.adjusted_verdicts({name: each for name, each in contrasts.items() if each})
    is_shown = verdicts[f"{largest}-{smallest}"] is not Verdict.UNCLEAR
    verdict = "is significant" if is_shown else "is not significant"
    corrected = ", after correction for all pairs of languages" if len(contrasts) > 1 else ""
    return (
        f"That it gains {points(contrast)} points more in {language_name(largest)} than in "
        f"{language_name(smallest)} ({interval(contrast)}) {verdict}{corrected}."
    )


def zero_shot(arms: Arms, study: Study) -> str:
    """Whether a student with a teacher outperforms the baseline in zero-shot languages as well."""
    languages = study.profile.data.languages_without_labels
    if not languages:
        return "The models were trained on labels in every language of this study: none is zero-shot."
    gain = comparisons.compare_zero_shot(arms, study)[comparisons.ZERO_SHOT].gain
    names = conjunction(map(language_name, languages))
    verdict = _beside_baseline(arms, gain.verdict)
    return f"No label in {names} was used for training. There, {verdict}: {in_points(gain)}."


def _beside_baseline(arms: Arms, verdict: Verdict) -> str:
    student = arm_name(arms.distilled_arm)
    return verdict.choose(
        better=f"the {student} outperforms the baseline",
        worse=f"the {student} is worse than the baseline",
        unclear="the result is inconclusive",
    )


def recovery(comparison: ThreeWayComparison) -> str:
    """The share of the teacher's lead that distillation recovers, or why it is undefined."""
    share = comparison.recovery
    if share is None:
        return "The teacher is not shown to outperform the baseline, so the recovered share is **undefined**."
    numbers = f"{share.value:.2f} (95% CI {share.low:.2f} to {share.high:.2f})"
    if share.high < 0:
        return (
            f"The recovered share of the teacher's lead is {numbers}: below 0, since these students are "
            "less accurate than the baseline."
        )
    if share.low > 1:
        return (
            f"The recovered share of the teacher's lead is **{numbers}**: more than all of it, since these "
            "students outperform their teachers."
        )
    return f"The recovered share of the teacher's lead is **{numbers}**."


def detectable(difference: Estimate) -> str:
    """The minimum difference that a study of this size detects, and what it lacks most to detect less."""
    if difference.detectable is None:
        return (
            f"What a study of this size would detect can't be said with {difference.seeds} seeds, whose "
            "spread says little about that of others."
        )
    smallest = 100 * difference.detectable
    comparison = "larger" if abs(100 * difference.value) >= smallest else "smaller"
    lacking = "more seeds" if difference.seed_share > 0.5 else "more test rows"
    covered = (
        " Its items are all that this covers: there is one run of each arm." if difference.seeds == 1 else ""
    )
    return (
        f"A study of this size detects a true difference of about **{smallest:.1f} points** with 80% power. "
        f"The observed difference is {comparison}. To detect smaller ones, it needs {lacking} above all."
        f"{covered}"
    )


def too_small(difference: Estimate) -> bool:
    """Whether nothing was found where only a difference of more than ten points could have been."""
    smallest = estimates.DETECTABLE * difference.standard_error
    return difference.verdict is Verdict.UNCLEAR and smallest > LARGEST_PLAUSIBLE_GAIN


def beaten(differences: pd.DataFrame) -> str:
    """Which controls the student of the primary question outperforms.

    ``differences`` is that of :func:`kdbook.stats.comparisons.differences_between` for ``(control,
    student)``.
    """
    if differences.empty:
        return "This profile has no controls."
    if (differences["seeds"] == 1).all():
        return f"{ONE_RUN_EACH.capitalize()}."
    groups = _by_relation(differences, "before")
    student, margin = (
        arm_name(differences["after"].iloc[0]),
        margin_in_points(differences.attrs[comparisons.MARGIN]),
    )
    sentences = {
        Relation.BETTER: f"The {student} significantly outperforms {{}}.",
        Relation.WORSE: f"The {student} is significantly worse than {{}}.",
        Relation.EQUIVALENT: f"It is equivalent to {{}} within {margin}.",
        Relation.OPEN: f"Neither a difference from {{}} nor equivalence within {margin} is shown."
        if margin
        else "It is not shown to outperform {}. That is not evidence that they are equal: the intervals show "
        "which differences remain possible.",
    }
    parts = [words.format(conjunction(groups[each])) for each, words in sentences.items() if each in groups]
    return " ".join([*parts, *_unstable(differences)])


def varied(differences: pd.DataFrame) -> str:
    """Which variations differ significantly from what they vary.

    ``differences`` is that of :func:`kdbook.stats.comparisons.differences_between` for ``(reference,
    variation)``.
    """
    if differences.empty:
        return "This profile has no variations."
    if (differences["seeds"] == 1).all():
        return f"{ONE_RUN_EACH.capitalize()}."
    groups = _by_relation(differences, "after")
    margin = margin_in_points(differences.attrs[comparisons.MARGIN])
    words = {
        Relation.BETTER: "significantly better",
        Relation.WORSE: "significantly worse",
        Relation.EQUIVALENT: f"equivalent within {margin}",
    }
    parts = [f"{word}: {conjunction(groups[each])}" for each, word in words.items() if each in groups]
    if not parts:
        parts = ["no variation differs significantly"]
    sentence = f"After correction for the number of comparisons, {'; '.join(parts)}."
    rest = [f"Open: {conjunction(groups[Relation.OPEN])}."] if Relation.OPEN in groups else []
    return " ".join([sentence, *rest, *_unstable(differences)])


def _unstable(differences: pd.DataFrame) -> list[str]:
    """A remark on the arms whose intervals are wide because they are unstable."""
    names = [emphasized(name) for name in differences.attrs[comparisons.UNSTABLE]]
    if not names:
        return []
    cause = f"The runs of {conjunction(names)} differ far more between seeds than those of the other arms"
    return [f"{cause}, which makes the intervals of their differences wide."]


def _by_relation(differences: pd.DataFrame, arm: str) -> dict[Relation, list[str]]:
    """The arms of some differences, emphasized, by what intervals and adjusted p-values show together."""
    groups: dict[Relation, list[str]] = {}
    for _, row in differences.iterrows():
        relation = estimates.shown(row["low"], row["high"], row["adjusted"], row["adjusted_margin"])
        groups.setdefault(relation, []).append(emphasized(row[arm]))
    return groups


def agreement(arms: Arms) -> str:
    """Whether distillation makes the student agree more with its teacher."""
    gain = agreement_gain(arms)
    verdict = gain.verdict.choose(
        better="more often than",
        worse="less often than",
        unclear="not significantly more or less often than",
    )
    return (
        f"The {arm_name(arms.distilled_arm)} agrees with its teacher {verdict} the baseline: "
        f"{in_points(gain)}."
    )


def confidence(run: Run) -> str:
    """The share of test rows on which a teacher is nearly certain."""
    *_, (margin, share) = confidence_shares(run.predictions).items()
    return f"On {share:.0%} of the test rows, the probability of the teacher's prediction is {margin} of 1."


def calibration(comparison: CalibrationComparison) -> str:
    """Whether the probabilities of the distilled students are better than those of the baselines, by both
    proper scores.
    """
    arm = arm_name(comparison.arm)
    return (
        f"The Brier score of the {arm} differs from that of the baseline by {_verdict(comparison.brier)}. "
        f"Its log loss differs by {_verdict(comparison.log_loss)}."
    )


def _verdict(difference: Estimate) -> str:
    """A difference of scores that are lower for better models, and what it says."""
    unclear = "the difference is not significant, which does not show that there is none"
    verdict = difference.verdict.choose(
        better="its probabilities are significantly worse",
        worse="its probabilities are significantly better",
        unclear=ONE_RUN_EACH if difference.seeds == 1 else unclear,
    )
    numbers = f"{difference.value:+.3f} (95% CI {difference.low:+.3f} to {difference.high:+.3f})"
    return f"{numbers}: {verdict}"


def label_noise(errors: pd.DataFrame, share: float) -> str:
    """What label noise in training does to the calibration that is measured on exact labels.

    ``errors`` are the mean calibration errors of each arm, with columns ``ECE`` and ``ECE, noisy labels``.
    """
    of_arms = [
        f"{row['ECE, noisy labels']:.3f} rather than {row['ECE']:.3f} for the {arm_name(str(arm))}"
        for arm, row in errors.iterrows()
    ]
    return (
        f"About {share:.0%} of the training labels are wrong, and none of the test labels. A model that fits "
        "its training labels well predicts how frequent they are, errors included, so its probabilities are "
        "expected to be too cautious for exact labels: that is a property of the labels, not a fault of the "
        "model. Measured on test labels with as many errors, the calibration error is "
        f"{conjunction(of_arms)}."
    )


def price(arms: Arms) -> str:
    """What a distilled student costs in seconds of training, without and with its teachers."""
    of_arms, arm = costs.by_arm(arms), arms.distilled_arm
    plain, in_all = of_arms[BASELINE].fit, of_arms[arm].total
    known = all(map(in_processor_time, arms.values()))
    unit = "seconds of processor time" if known else "seconds"
    return (
        f"With the settings of each arm, a fit of the baseline takes {plain:.0f} {unit}, and one of the "
        f"arm {emphasized(DISTILLED)} **{of_arms[DISTILLED].fit:.0f}**. They may differ in epochs and batch "
        f"size, so the ratio is not the price of distillation.{_payment(costs.taught(arms))} Including its "
        f"share of the teachers' training, the {arm_name(arm)} takes {in_all:.0f} seconds, "
        f"{in_all / plain:.1f} times as long as the baseline."
    )


def _payment(taught: Sequence[Run]) -> str:
    """What the first student of each teacher pays for the outputs that all of them read, as a sentence."""
    first = {run.record.spec.teacher: run for run in sorted(taught, key=costs.paid)}.values()
    paid = sum(map(costs.paid, first))
    if not paid:
        return ""
    share = paid / sum(run.measurements.processor_seconds or 0.0 for run in first)
    return (
        f" The first student of a teacher also pays for its outputs, {paid / len(first):.0f} seconds or "
        f"{share:.0%} of its time; the others read them."
    )


def budget(arms: Arms, control: str) -> str:
    """Whether a control was given at least the time of distillation, and how much of it the control used."""
    if control not in arms:
        return f"This profile has no control named {emphasized(control)}."
    of_arms = costs.by_arm(arms)
    used, needed = of_arms[control].total, of_arms[arms.distilled_arm].total
    verdict = (
        "so it was given at least as much time"
        if used >= needed
        else "so it had less time, which favours the student with a teacher"
    )
    kept = conjunction(
        f"{run.history['validation_score'].argmax() + 1} of {len(run.history)}" for run in arms[control]
    )
    return (
        f"{emphasized(control)} took {used:.0f} seconds, the {arm_name(arms.distilled_arm)} including its "
        f"share of the teachers {needed:.0f}, {verdict}. Its runs kept epoch {kept}."
    )


def sizes(arms: Arms) -> str:
    """How much smaller and faster the student is than the teacher."""
    teacher, student = arms.teachers[0], arms.baselines[0]
    large, small = teacher.measurements.parameters, student.measurements.parameters
    speed = costs.seconds_per_row(teacher) / costs.seconds_per_row(student)
    return (
        f"Without embeddings, the teacher has {large.backbone / small.backbone:.1f} times as many "
        f"parameters as the student; with embeddings, {large.total / small.total:.1f} times. In batches "
        f"of 32, the student predicts {times(speed)} as many rows per second."
    )
