"""The finding of a study: whether a teacher helps, and which part of what it gives does.

Three differences decide it: what the teacher adds to the labelled rows, what it adds with rows without labels
as well, and what its probabilities and features add to its predicted classes. Where a study has replicates
with everything new, they are those of the replicates.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean

from kdbook.pages.markup import in_points, margin_in_points
from kdbook.pages.sentences import ONE_RUN_EACH
from kdbook.settings import replicates
from kdbook.settings.arms import BASELINE, DISTILLED, PSEUDO_LABELS, TRANSFER
from kdbook.settings.replicates import Replicate
from kdbook.stats import comparisons, estimates
from kdbook.stats.estimates import Estimate, Relation
from kdbook.stats.metrics import confidence_shares
from kdbook.study.arms import Arms
from kdbook.study.study import Study

SAME_ROWS, ALL_ROWS, SOFT_LABELS = (BASELINE, DISTILLED), (BASELINE, TRANSFER), (PSEUDO_LABELS, TRANSFER)
NEARLY_CERTAIN = 0.01  # so near to 1 is a probability that hardly differs from a label
NAMES = {
    "student": "a student that the teacher taught on rows without labels as well",
    "outputs": "the teacher's probabilities and features",
    "classes": "its classes alone (pseudo-labels) on the same rows",
}
WORDS = {  # of each difference, by what is shown of it
    ALL_ROWS: {
        Relation.BETTER: "{student} **is better** than one without a teacher, by {numbers}.",
        Relation.WORSE: "{student} **is worse** than one without a teacher, by {numbers}.",
        Relation.EQUIVALENT: (
            "{student} is **equivalent within {margin}** to one without a teacher: {numbers}."
        ),
        Relation.OPEN: "whether {student} is better than one without is **open**: {numbers}.",
    },
    SAME_ROWS: {
        Relation.BETTER: "On the labelled rows alone, the teacher adds {numbers}.",
        Relation.WORSE: "On the labelled rows alone, the teacher costs {numbers}.",
        Relation.EQUIVALENT: "On the labelled rows alone, the teacher changes less than {margin}: {numbers}.",
        Relation.OPEN: "What the teacher adds on the labelled rows alone is open: {numbers}.",
    },
    SOFT_LABELS: {
        Relation.BETTER: "To {classes}, {outputs} **add {numbers}**.",
        Relation.WORSE: "Compared with {classes}, {outputs} **cost {numbers}**.",
        Relation.EQUIVALENT: (
            "To {classes}, {outputs} **add less than {margin}** ({numbers}): the classes are nearly enough."
        ),
        Relation.OPEN: "Whether {outputs} add anything to {classes} is **open**: {numbers}.",
    },
}
NOTHING_SHOWN = f"What a gain comes from can't be said: {ONE_RUN_EACH}."

Pair = tuple[str, str]


def finding(arms: Arms, study: Study) -> str:
    """What the gain of a student comes from, and why, in Markdown."""
    repeated = replicates.load(study.profile.name)
    differences = _differences(arms, study, repeated)
    if _seeds(differences) < 2:
        return NOTHING_SHOWN
    relations = _adjusted(differences)
    parts = [
        WORDS[pair][relations[pair]].format(
            **NAMES, numbers=in_points(each), margin=margin_in_points(each.margin)
        )
        for pair, each in differences.items()
    ]
    if SOFT_LABELS not in differences:
        parts.append("Without an arm of pseudo-labels, soft labels can't be told from predicted classes.")
    soft = differences.get(SOFT_LABELS)
    if soft and soft.margin and relations[SOFT_LABELS] is Relation.OPEN:
        parts.append(_to_settle(soft, "replicates" if repeated else "seeds"))
    source = f"With {_seeds(differences)} seeds"
    if repeated:
        source = f"In {len(repeated)} replicates with data, teachers and students of their own"
    return f"{source}: {' '.join(parts)} {certainty(arms)}"


def in_short(arms: Arms, study: Study) -> str:
    """The finding in a line or two, for a page that goes on to a figure."""
    differences = _differences(arms, study, replicates.load(study.profile.name))
    if _seeds(differences) < 2:
        return NOTHING_SHOWN
    relations = _adjusted(differences)
    pair = next(iter(differences))
    means = "a teacher and rows without labels" if pair == ALL_ROWS else "a teacher"
    words = {Relation.BETTER: "better", Relation.WORSE: "worse"}
    verdict = words.get(relations[pair], "not shown to be better")
    parts = [f"With {means}, the student is **{verdict}** on test rows: {in_points(differences[pair])}."]
    if soft := differences.get(SOFT_LABELS):
        add = {
            Relation.BETTER: "add to pseudo-labels",
            Relation.WORSE: "are worse than pseudo-labels",
            Relation.EQUIVALENT: f"add less than {margin_in_points(soft.margin)} to pseudo-labels",
        }
        verdict = add.get(relations[SOFT_LABELS], "are not shown to add to pseudo-labels")
        parts.append(f"Soft labels **{verdict}**: {in_points(soft)}.")
    return " ".join(parts)


def _differences(arms: Arms, study: Study, repeated: Sequence[Replicate]) -> dict[Pair, Estimate]:
    """The differences of the arms that there are, from replicates where the study has some."""
    pairs = [pair for pair in (ALL_ROWS, SAME_ROWS, SOFT_LABELS) if all(arm in arms for arm in pair)]
    question = study.profile.primary
    if repeated:
        return {pair: comparisons.replicated_difference(repeated, question, *pair) for pair in pairs}
    return comparisons.estimated_differences(arms, pairs, question.test, question.negligible)


def _seeds(differences: Mapping[Pair, Estimate]) -> int:
    return next((each.seeds for each in differences.values()), 0)


def certainty(arms: Arms) -> str:
    """How sure the teachers are on the test rows, and so how much their soft labels differ from labels."""
    shares = [confidence_shares(run.predictions, (NEARLY_CERTAIN,)).iloc[0] for run in arms.teachers]
    share = fmean(shares)
    consequence = (
        "there, its soft labels are hardly more than labels"
        if share >= 0.5
        else "on most rows, its soft labels do differ from labels"
    )
    return (
        f"On {share:.0%} of the test rows, the probability of the teacher's prediction is within "
        f"{NEARLY_CERTAIN} of 1: {consequence}."
    )


def _adjusted(differences: Mapping[Pair, Estimate]) -> dict[Pair, Relation]:
    """What is shown of each difference, after Holm's correction for their number."""
    differ = estimates.holm({pair: each.p for pair, each in differences.items()})
    equivalent = estimates.holm({pair: each.p_margin for pair, each in differences.items()})
    return {
        pair: estimates.shown(each.low, each.high, differ[pair], equivalent[pair])
        for pair, each in differences.items()
    }


def _to_settle(difference: Estimate, unit: str) -> str:
    """What it would take to show that soft labels add less than the margin, if they add nothing."""
    needed, margin = difference.seeds_to_settle, margin_in_points(difference.margin)
    if needed is None:
        return f"To show that it is less than {margin} would take more test rows."
    number = max(needed, difference.seeds + 1)
    return f"If it is nothing, about {number} {unit} would show that it is less than {margin}."
