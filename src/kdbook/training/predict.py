"""Predictions of a fitted model for the rows of a study."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kdbook.data import TextData, texts

if TYPE_CHECKING:
    from autogluon.multimodal import MultiModalPredictor

WARM_UP_ROWS = 64
TRAIN_ITEMS_PREDICTED = 500


@dataclass(frozen=True)
class Predictions:
    """Predictions for all test rows, the first training items, and all validation rows.

    Columns are those of :attr:`kdbook.store.run.Run.predictions`; ``test_seconds`` is by language.
    """

    test: pd.DataFrame
    train: pd.DataFrame
    validation: pd.DataFrame
    test_seconds: dict[str, float]


def predict_splits(predictor: "MultiModalPredictor", data: TextData) -> Predictions:
    """Predict the test rows, language by language, some training rows, and the validation rows."""
    tests = {str(language): rows for language, rows in data["test"].groupby("language", sort=False)}
    others = {"train": head_by_item(data["train"], TRAIN_ITEMS_PREDICTED), "validation": data["validation"]}
    tables, seconds = predict(
        {f"test {language}": rows for language, rows in tests.items()} | others, predictor
    )
    return Predictions(
        test=pd.concat([tables[f"test {language}"] for language in tests], ignore_index=True),
        train=tables["train"],
        validation=tables["validation"],
        test_seconds={language: seconds[f"test {language}"] for language in tests},
    )


def predict(
    tables: Mapping[str, pd.DataFrame], predictor: "MultiModalPredictor"
) -> tuple[dict[str, pd.DataFrame], dict[str, float]]:
    """Predictions for every row of some tables, and the seconds that each table took, after a warm-up."""
    first = next(iter(tables.values()))
    predictor.predict(first[texts(first)].head(WARM_UP_ROWS))
    labels = np.array(predictor.class_labels)
    predictions, seconds = {}, {}
    for name, rows in tables.items():
        start = time.perf_counter()
        probabilities = predictor.predict_proba(rows[texts(rows)], as_pandas=False)  # (rows, classes)
        seconds[name] = time.perf_counter() - start
        columns = {f"probability_{label}": probabilities[:, column] for column, label in enumerate(labels)}
        predicted = labels[probabilities.argmax(axis=1)]
        predictions[name] = rows[["id", "language", "label"]].assign(prediction=predicted, **columns)
    return predictions, seconds


def head_by_item(rows: pd.DataFrame, items: int) -> pd.DataFrame:
    """The rows of the first items, in all languages."""
    return rows[rows["id"].isin(rows["id"].drop_duplicates().head(items))]
