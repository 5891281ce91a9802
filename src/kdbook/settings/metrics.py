"""The metrics of a study, each as a mean of errors over rows.

A score is one minus the mean of its errors, so that whatever resamples rows treats every metric alike.
"""

import numpy as np

from kdbook.settings.arms import Metric

Array = np.ndarray


def errors(labels: Array, predictions: Array, metric: Metric = "accuracy") -> Array:
    """The error of each row, shape (rows,), whose mean is one minus the score.

    * accuracy: 1 where the prediction is wrong, else 0;
    * balanced accuracy, the mean of the recalls: a wrong prediction counts the more the rarer its class. The
      sizes of the classes are taken as given, which makes intervals a little wider, never narrower;
    * macro-F1, the mean over the classes of the harmonic mean of precision and recall: a ratio, so an error
      is the first-order influence of a row on it (Efron 1982, "The jackknife, the bootstrap and other
      resampling plans", chapter 6); its mean is exact, its variance that of the delta method.

    Classes that no row has as its label do not count.
    """
    wrong: Array = (labels != predictions).astype(float)
    if metric == "accuracy":
        return wrong
    classes, counts = np.unique(labels, return_counts=True)
    if metric == "balanced accuracy":
        weights = len(labels) / (len(classes) * counts)  # (classes,)
        weighted: Array = wrong * weights[np.searchsorted(classes, labels)]
        return weighted
    right = np.zeros(len(labels))
    for each in classes:
        hit = (labels == each) & (predictions == each)
        involved = (labels == each).astype(float) + (predictions == each)  # (rows,)
        f1 = 2 * hit.sum() / involved.sum()
        right += f1 + (2 * hit - f1 * involved) / involved.mean()
    missed: Array = 1 - right / len(classes)
    return missed


def score(labels: Array, predictions: Array, metric: Metric = "accuracy") -> float:
    """The metric itself; it is not a number without any row."""
    return float(1 - errors(labels, predictions, metric).mean())
