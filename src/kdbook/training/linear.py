"""The floor of every study: TF-IDF of words and characters with logistic regression, a run like any other.

It is what a few lines of scikit-learn make of the same labels; a model that does not outperform it is not
worth its training.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

from kdbook.data import TextData, texts
from kdbook.settings import machine, metrics
from kdbook.settings.arms import Metric
from kdbook.settings.data import ALL
from kdbook.store.run import HISTORY, PREDICTIONS, TRAIN_PREDICTIONS, Measurements, ParameterCounts
from kdbook.training import measure
from kdbook.training.lessons import Teaching, taught_rows
from kdbook.training.predict import TRAIN_ITEMS_PREDICTED, head_by_item

STRENGTHS = (1.0, 10.0, 100.0)  # inverse regularization; the validation rows choose
MOST_ITERATIONS = 1000
WORD = r"\b\w+\b"  # of one letter or digit as well

Matrix = Any  # scipy.sparse.csr_matrix, which has no types
Array = np.ndarray[Any, np.dtype[Any]]


class Features:
    """TF-IDF of one and two words, and of two to five characters of a word.

    For pairs of texts: the absolute differences of both vectors, their products, and the cosines, which are
    the sums of the products.
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        vectorizers = (
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=WORD),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
        )
        columns = texts(rows)
        everything = pd.concat([rows[column] for column in columns])
        self.vectorizers = [each.fit(everything) for each in vectorizers]

    def of(self, rows: pd.DataFrame) -> Matrix:
        """The features of some rows, shape (rows, features)."""
        return sparse.hstack([part for each in self.vectorizers for part in _parts(each, rows)], "csr")


def _parts(vectorizer: TfidfVectorizer, rows: pd.DataFrame) -> list[Matrix]:
    first, *second = (vectorizer.transform(rows[column]) for column in texts(rows))
    if not second:
        return [first]
    products = first.multiply(second[0])
    return [abs(first - second[0]), products, sparse.csr_matrix(products.sum(axis=1))]


class LinearModel:
    """A logistic regression on :class:`Features`; its strength is the best one on the validation rows."""

    def __init__(self, train: pd.DataFrame, validation: pd.DataFrame, classes: int, metric: Metric) -> None:
        self.classes = classes
        self.features = Features(train)
        inputs, labels = self.features.of(train), train["label"].to_numpy()
        with threadpool_limits(1):  # its products are small, and with more threads they take longer
            candidates = [
                LogisticRegression(C=strength, max_iter=MOST_ITERATIONS).fit(inputs, labels)
                for strength in STRENGTHS
            ]
        truth, rows = validation["label"].to_numpy(), self.features.of(validation)
        scores = [metrics.score(truth, each.predict(rows), metric) for each in candidates]
        self.validation_score = max(scores)
        self.regression = candidates[scores.index(self.validation_score)]
        self.train_loss = float(
            log_loss(labels, self.regression.predict_proba(inputs), labels=self.regression.classes_)
        )

    def probabilities(self, inputs: Matrix) -> Array:
        """The probability of each class, shape (rows, classes); 0 for a class without a training row."""
        found = np.zeros((inputs.shape[0], self.classes))
        found[:, self.regression.classes_] = self.regression.predict_proba(inputs)
        return found

    def predictions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Columns are those of :attr:`kdbook.store.run.Run.predictions`."""
        found = self.probabilities(self.features.of(rows))
        columns = {f"probability_{label}": found[:, label] for label in range(self.classes)}
        return rows[["id", "language", "label"]].assign(prediction=found.argmax(axis=1), **columns)


def train_run(directory: Path, data: TextData, teaching: Teaching, metric: Metric) -> Measurements:
    """Fit the linear model on the rows of a lesson, and write predictions and history.

    Parameters and files are those of :func:`kdbook.training.run.train_run`; there is no predictor.
    """
    start, processor_start = time.perf_counter(), machine.processor_seconds()
    taught = taught_rows(data, teaching)
    teacher_seconds = machine.processor_seconds() - processor_start
    model = LinearModel(taught.rows, data["validation"], len(data.classes), metric)
    fit_seconds, processor_seconds = (
        time.perf_counter() - start,
        machine.processor_seconds() - processor_start,
    )
    tables, seconds = [], {}
    for language, rows in data["test"].groupby("language", sort=False):
        before = time.perf_counter()
        tables.append(model.predictions(rows))
        seconds[str(language)] = time.perf_counter() - before
    directory.mkdir(parents=True, exist_ok=True)
    pd.concat(tables, ignore_index=True).to_parquet(directory / PREDICTIONS, index=False)
    train = head_by_item(data["train"], TRAIN_ITEMS_PREDICTED)
    model.predictions(train).to_parquet(directory / TRAIN_PREDICTIONS, index=False)
    epoch = {
        "epoch": 1.0,
        "seconds": fit_seconds,
        "train_loss": model.train_loss,
        "validation_score": model.validation_score,
    }
    pd.DataFrame([epoch]).to_parquet(directory / HISTORY, index=False)
    weights = model.regression.coef_.size + model.regression.intercept_.size
    return Measurements(
        fit_seconds=fit_seconds,
        processor_seconds=processor_seconds,
        teacher_seconds=teacher_seconds,
        predict_seconds=seconds | {ALL: sum(seconds.values())},
        seconds=time.perf_counter() - start,
        interruptions=0,
        parameters=ParameterCounts(total=weights, embeddings=0, backbone=weights),
        predictor_bytes=0,
        peak_bytes=machine.peak_memory(),
        latency=measure.batch_latencies(
            model.features.of, model.probabilities, data["test"], time.thread_time
        ),
        validation_score=model.validation_score,
        hardware=measure.hardware(),
    )
