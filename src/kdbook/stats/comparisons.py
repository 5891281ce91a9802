"""Differences between the arms of a study, with intervals and adjusted p-values."""

from collections.abc import Iterable, Sequence

import pandas as pd

from kdbook.settings.arms import BASELINE, LINEAR, PrimaryComparison
from kdbook.settings.data import ALL
from kdbook.settings.replicates import Replicate
from kdbook.stats import bootstrap, estimates
from kdbook.stats.estimates import Estimate, ThreeWayComparison
from kdbook.stats.predictions import in_languages, on_test, tests_of
from kdbook.store.run import Run
from kdbook.study.arms import Arms
from kdbook.study.study import Study

TRAINED = "trained on"
ZERO_SHOT = "zero-shot"
MARGIN, UNSTABLE = "margin", "unstable"  # attributes of a table of differences


def compare_by_test(arms: Arms) -> dict[str, ThreeWayComparison]:
    """Teacher, baseline and distilled student compared on each language and on ``all`` rows."""
    return {test: compare_on(arms, test) for test in tests_of(arms.baselines[0])}


def compare_on(arms: Arms, test: str = ALL) -> ThreeWayComparison:
    """Teacher, baseline and distilled student compared on one test set."""
    teachers = on_test(test, arms.teachers_of(arms.distilled_arm))
    return bootstrap.compare(teachers, on_test(test, arms.baselines), on_test(test, arms.distilled))


def compare_zero_shot(arms: Arms, study: Study) -> dict[str, ThreeWayComparison]:
    """The three arms compared on the languages that they were trained on, and on the zero-shot languages, if
    any.
    """
    return {
        group: bootstrap.compare(
            in_languages(languages, arms.teachers_of(arms.distilled_arm)),
            in_languages(languages, arms.baselines),
            in_languages(languages, arms.distilled),
        )
        for group, languages in language_groups(study).items()
    }


def language_groups(study: Study) -> dict[str, list[str]]:
    """The languages that the models of a study train on, and the zero-shot ones.

    A group without any is left out.
    """
    data = study.profile.data
    groups = {
        TRAINED: [language for language in data.languages if language not in data.languages_without_labels],
        ZERO_SHOT: list(data.languages_without_labels),
    }
    return {group: languages for group, languages in groups.items() if languages}


def gains_by_teacher(arms: Arms) -> dict[str, Estimate]:
    """The gain of the distilled students over the baselines for each teacher that has students, by name."""
    pairs = zip(arms.baselines, arms.distilled, arms.teachers_of(arms.distilled_arm), strict=True)
    groups: dict[str, tuple[list[pd.DataFrame], list[pd.DataFrame]]] = {}
    for baseline, student, teacher in pairs:
        before, after = groups.setdefault(teacher.name, ([], []))
        before += on_test(ALL, [baseline])
        after += on_test(ALL, [student])
    return bootstrap.differences_by_group(groups)


def language_contrast(arms: Arms, first: str, second: str) -> Estimate | None:
    """The gain of the distilled students in one language minus that in another, None without common items."""
    before, after = (
        [pd.concat(parts) for parts in zip(on_test(first, runs), on_test(second, runs), strict=True)]
        for runs in (arms.baselines, arms.distilled)
    )
    return bootstrap.interaction(before, after, (first, second))


def teacher_gap(arms: Arms) -> Estimate:
    """Score of each baseline's paired teacher minus that of the baseline, on all test rows."""
    return bootstrap.difference(on_test(ALL, arms.baselines), on_test(ALL, arms.teachers_of(BASELINE)))


def over_linear(arms: Arms, arm: str, test: str = ALL) -> Estimate:
    """Score of an arm minus that of the linear model."""
    return bootstrap.difference(on_test(test, [*arms[LINEAR]] * len(arms[arm])), on_test(test, arms[arm]))


def primary_difference(arms: Arms, question: PrimaryComparison) -> Estimate:
    """The difference that the profile named before any run."""
    before, after = arms[question.against], arms[question.arm]
    return difference_between(before, after, question.test, question.negligible)


def difference_between(
    before: Iterable[Run], after: Iterable[Run], test: str = ALL, margin: float | None = None
) -> Estimate:
    """Score of ``after`` minus ``before`` over the seeds that both have; ``margin`` does not matter."""
    earlier, later = ({run.seed: run for run in runs} for runs in (before, after))
    seeds = [seed for seed in later if seed in earlier]
    return bootstrap.difference(
        on_test(test, [earlier[seed] for seed in seeds]),
        on_test(test, [later[seed] for seed in seeds]),
        margin=margin,
    )


def differences_between(
    arms: Arms, pairs: Iterable[tuple[str, str]], test: str = ALL, margin: float | None = None
) -> pd.DataFrame:
    """Several differences of arms over the seeds that all of them have, with p-values adjusted for their
    number (Holm).

    Parameters
    ----------
    arms
        The runs.
    pairs
        The names ``(before, after)`` of the arms to compare.
    test
        A language, or ``all``.
    margin
        The largest difference that does not matter.

    Returns
    -------
    A row per pair: ``before``, ``after``, the attributes of :class:`kdbook.stats.estimates.Estimate`,
    ``seeds``, and the adjusted p-values, ``adjusted`` that of a difference and ``adjusted_margin`` that of
    equivalence. The index is ``after − before``; ``attrs`` names the margin and the unstable arms, see
    :class:`kdbook.stats.moderation.Spread`.
    """
    pairs = list(pairs)
    frames = _with_common_seeds(arms, pairs, test)
    by_pair = bootstrap.differences(frames, pairs, margin=margin)
    rows = [
        {
            "difference": f"{after} − {before}",
            "before": before,
            "after": after,
            "value": estimate.value,
            "low": estimate.low,
            "high": estimate.high,
            "p": estimate.p,
            "p_margin": estimate.p_margin,
            "seeds": estimate.seeds,
        }
        for (before, after), estimate in by_pair.items()
    ]
    columns = ["difference", "before", "after", "value", "low", "high", "p", "p_margin", "seeds"]
    table = pd.DataFrame(rows, columns=columns).set_index("difference").rename_axis(index=None)
    for adjusted, p in (("adjusted", "p"), ("adjusted_margin", "p_margin")):
        table[adjusted] = pd.Series(estimates.holm(dict(table[p])), dtype=float)
    spreads = bootstrap.spreads_of(frames)
    table.attrs[MARGIN] = margin
    table.attrs[UNSTABLE] = [name for name, spread in spreads.items() if spread.unstable]
    return table


def estimated_differences(
    arms: Arms, pairs: Iterable[tuple[str, str]], test: str = ALL, margin: float | None = None
) -> dict[tuple[str, str], Estimate]:
    """Several differences over the seeds that all arms have; parameters as for
    :func:`differences_between`.
    """
    pairs = list(pairs)
    return bootstrap.differences(_with_common_seeds(arms, pairs, test), pairs, margin=margin)


def _with_common_seeds(
    arms: Arms, pairs: Iterable[tuple[str, str]], test: str
) -> dict[str, list[pd.DataFrame]]:
    """The predictions of the runs of some arms, by arm, with the seeds that all of these have."""
    runs_by_seed = {name: arms.by_seed(name) for pair in pairs for name in pair}
    all_seeds = next(iter(runs_by_seed.values()), {})
    seeds = [seed for seed in all_seeds if all(seed in runs for runs in runs_by_seed.values())]
    return {name: on_test(test, [runs[seed] for seed in seeds]) for name, runs in runs_by_seed.items()}


def control_pairs(study: Study) -> list[tuple[str, str]]:
    """Each control of a study, with the arm of the primary question, which has to outperform it."""
    return [(name, study.profile.primary.arm) for name in study.profile.controls]


def replicated_difference(
    repeated: Sequence[Replicate], question: PrimaryComparison, before: str, after: str
) -> Estimate:
    """The accuracy of one arm minus that of another over replicates, on the test set of a question."""
    test = question.test
    values = [each.accuracy[after][test] - each.accuracy[before][test] for each in repeated]
    return estimates.of_replicates(values, question.negligible)
