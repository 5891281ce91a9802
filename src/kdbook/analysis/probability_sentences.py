"""Sentences on the probabilities of models: how sure they are, and how far to trust that."""

import pandas as pd

from kdbook.analysis.calibration import EXACT_ECE, NOISY_ECE, CalibrationComparison
from kdbook.analysis.estimates import Estimate, Verdict
from kdbook.analysis.metrics import confidence_shares
from kdbook.analysis.phrases import arm_name, conjunction
from kdbook.analysis.sentences import ONE_RUN_EACH
from kdbook.store.run import Run


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
    match difference.verdict:
        case Verdict.BETTER:
            verdict = "its probabilities are significantly worse"
        case Verdict.WORSE:
            verdict = "its probabilities are significantly better"
        case Verdict.UNCLEAR if difference.seeds == 1:
            verdict = ONE_RUN_EACH
        case Verdict.UNCLEAR:
            verdict = "the difference is not significant, which does not show that there is none"
    numbers = f"{difference.value:+.3f} (95% CI {difference.low:+.3f} to {difference.high:+.3f})"
    return f"{numbers}: {verdict}"


def label_noise(table: pd.DataFrame, share: float) -> str:
    """What label noise in training does to the calibration that is measured on exact labels.

    ``table`` is that of :func:`kdbook.analysis.calibration.against_noisy_labels` for this share.
    """
    errors = [
        f"{row[NOISY_ECE]:.3f} rather than {row[EXACT_ECE]:.3f} for the {arm_name(str(arm))}"
        for arm, row in table.iterrows()
    ]
    return (
        f"About {share:.0%} of the training labels are wrong, and none of the test labels. A model that fits "
        "its training labels well predicts how frequent they are, errors included, so its probabilities are "
        "expected to be too cautious for exact labels: that is a property of the labels, not a fault of the "
        f"model. Measured on test labels with as many errors, the calibration error is {conjunction(errors)}."
    )
