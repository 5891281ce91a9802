"""How reliable probabilities are: proper scores, calibration errors, and the temperature that fits best."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from kdbook.stats import bootstrap
from kdbook.stats.estimates import Estimate
from kdbook.stats.predictions import SMALLEST_PROBABILITY, probabilities
from kdbook.stats.resampling import Array, Resampler
from kdbook.store.run import Run
from kdbook.study.arms import Arms

BINS = 10
ROWS_PER_BIN = 20  # of fewer rows a share is mostly noise
TEMPERATURES = (0.05, 20.0)  # limits of the search
LARGEST_LOG_LOSS = -float(np.log(SMALLEST_PROBABILITY))  # of a row


@dataclass(frozen=True)
class CalibrationComparison:
    """An arm and the baseline: the differences of their Brier scores and of their log losses, below 0 where
    the arm is better.
    """

    arm: str
    brier: Estimate
    log_loss: Estimate


def compare(arms: Arms) -> CalibrationComparison:
    """Brier scores and log losses of the distilled students minus those of the baselines, with pairs of runs
    and items resampled.
    """
    return CalibrationComparison(
        arms.distilled_arm,
        brier=_difference(arms, brier_by_row, largest=1.0),
        log_loss=_difference(arms, log_loss_by_row, LARGEST_LOG_LOSS),
    )


def _difference(arms: Arms, score: Callable[[pd.DataFrame], pd.Series], largest: float) -> Estimate:
    """The difference of a score that is between 0 and ``largest`` in each row."""
    rows = arms.baselines[0].predictions.groupby("id", sort=True).size().to_numpy()
    contrast = _sums_by_item(arms.distilled, score) - _sums_by_item(arms.baselines, score)  # (seeds, items)
    share = Resampler(contrast.shape, rows, bootstrap.RESAMPLES).estimate(contrast / largest)
    return replace(share, value=largest * share.value, low=largest * share.low, high=largest * share.high)


def _sums_by_item(runs: Sequence[Run], score: Callable[[pd.DataFrame], pd.Series]) -> Array:
    """The sum of a score over the rows of each item, shape (seeds, items)."""
    return np.stack(
        [score(run.predictions).groupby(run.predictions["id"], sort=True).sum().to_numpy() for run in runs]
    )


def log_loss_by_row(predictions: pd.DataFrame) -> pd.Series:
    """Negative logarithm of the label's probability, in nats, at most that of the smallest probability."""
    losses = _log_losses(probabilities(predictions), predictions["label"].to_numpy())
    return pd.Series(losses, index=predictions.index)


def brier_by_row(predictions: pd.DataFrame) -> pd.Series:
    """Half the squared distance of probabilities and label; for two classes the usual ``(p - y) ** 2``."""
    shares = probabilities(predictions)  # (rows, classes)
    truth = np.eye(shares.shape[1])[predictions["label"].to_numpy()]
    return pd.Series(((shares - truth) ** 2).sum(axis=1) / 2, index=predictions.index)


def scaled(predictions: pd.DataFrame) -> tuple[float, float]:
    """The temperature by which logits should be divided, and the log loss with it (Guo et al. 2017).

    Each half of the items is scored with the temperature that fits the other half; the temperature returned
    is the mean of both.
    """
    shares, labels = probabilities(predictions), predictions["label"].to_numpy()
    half = pd.factorize(predictions["id"])[0] % 2 == 0
    if half.all():
        return 1.0, _log_loss(shares, labels)
    temperatures = {
        fold: _best_temperature(shares[half != fold], labels[half != fold]) for fold in (True, False)
    }
    losses = [
        _log_loss(_softened(shares[half == fold], temperature), labels[half == fold]) * (half == fold).sum()
        for fold, temperature in temperatures.items()
    ]
    return float(np.mean(list(temperatures.values()))), float(sum(losses) / len(labels))


def _best_temperature(shares: Array, labels: Array) -> float:
    from scipy.optimize import minimize_scalar  # takes a second to import

    found = minimize_scalar(
        lambda logarithm: _log_loss(_softened(shares, np.exp(logarithm)), labels),
        bounds=np.log(TEMPERATURES),
        method="bounded",
    )
    return float(np.exp(found.x))


def _softened(shares: Array, temperature: float) -> Array:
    """Probabilities of shape (rows, classes) after their logits are divided by a temperature."""
    logits = np.log(np.clip(shares, SMALLEST_PROBABILITY, 1)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _log_loss(shares: Array, labels: Array) -> float:
    return float(_log_losses(shares, labels).mean())


def _log_losses(shares: Array, labels: Array) -> Array:
    of_labels = shares[np.arange(len(labels)), labels]
    return np.asarray(-np.log(np.clip(of_labels, SMALLEST_PROBABILITY, 1)))


def reliability(probability: Array, happened: Array, bins: int | None = None) -> pd.DataFrame:
    """Bins with about equally many rows over the predicted probability of an event.

    Parameters
    ----------
    probability, happened
        Shape (rows,).
    bins
        Number of bins; if None, ten, or fewer where a bin would have fewer than twenty rows. Equal
        probabilities are never divided between bins, so there may be fewer.

    Returns
    -------
    ``probability``, the mean in the bin, ``share`` of its rows in which the event happened, ``rows``, their
    number, and ``deviation``, the standard deviation that the share has if the probabilities are exact.
    """
    values = np.asarray(probability, float)
    number = bins or max(1, min(BINS, len(values) // ROWS_PER_BIN))
    ranks = pd.Series(values).rank()  # (rows,), equal probabilities have the same one
    bin_of_row = np.floor((ranks - 0.5) / len(values) * number)
    table = pd.DataFrame(
        {
            "probability": values,
            "share": np.asarray(happened, float),
            "rows": 1,
            "deviation": values * (1 - values),
        }
    )
    means = {"probability": "mean", "share": "mean", "rows": "sum", "deviation": "sum"}
    result = table.groupby(bin_of_row).agg(means).reset_index(drop=True)
    return result.assign(deviation=np.sqrt(result["deviation"]) / result["rows"])


def calibration_error(probability: Array, happened: Array, bins: int | None = None) -> float:
    """Expected calibration error: mean distance of probability and share over the bins of
    :func:`reliability`, weighted by rows.
    """
    table = reliability(probability, happened, bins)
    distances = (table["probability"] - table["share"]).abs()
    return float((distances * table["rows"]).sum() / table["rows"].sum())


def error_if_calibrated(probability: Array, bins: int | None = None) -> float:
    """The calibration error to expect if every probability were exact, which is above 0 because shares of a
    finite number of rows scatter (Kumar et al. 2019); with normally distributed shares.
    """
    table = reliability(probability, np.zeros(len(probability)), bins)
    return float(np.sqrt(2 / np.pi) * (table["deviation"] * table["rows"]).sum() / table["rows"].sum())
