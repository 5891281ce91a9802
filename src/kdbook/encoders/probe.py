"""What a frozen encoder already knows of the task: a linear classifier on its hidden states.

A probe with a few labels shows how near pretraining came to the task (Alain and Bengio 2017, "Understanding
intermediate layers using linear classifier probes").
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import AutoModel, AutoTokenizer

from kdbook.data import texts

BATCH = 256
DRAWS = 5  # sets of labelled items

Array = np.ndarray[Any, np.dtype[Any]]


def hidden_features(checkpoint: Path, rows: pd.DataFrame) -> Array:
    """Features of each row without any training, shape (rows, 4 × width).

    The first token, and mean, maximum and minimum over the tokens of the second text, or of the only one.
    """
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    encoder = AutoModel.from_pretrained(checkpoint).eval()
    columns = [rows[column].tolist() for column in texts(rows)]
    features = []
    with torch.no_grad():
        for start in range(0, len(rows), BATCH):
            batch = [column[start : start + BATCH] for column in columns]
            encoded = tokenizer(*batch, padding=True, truncation=True, return_tensors="pt")
            states = encoder(**encoded).last_hidden_state  # (rows, tokens, width)
            of_text = [
                [part == len(columns) - 1 for part in encoded.sequence_ids(row)]
                for row in range(len(batch[0]))
            ]
            features.append(_pooled(states, torch.tensor(of_text)[:, :, None]))
    return np.concatenate(features)


def accuracies(train: Array, labels: Array, test: Array, truth: Array, groups: pd.Series) -> pd.Series:
    """Accuracy of a logistic regression on features, in each group of test rows.

    Its regularization is chosen by cross-validation on the training rows.
    """
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=6, cv=5, max_iter=2000))
    correct: pd.Series = pd.Series(model.fit(train, labels).predict(test) == truth, index=groups.index)
    return pd.Series(correct.groupby(groups).mean())


def probe(
    checkpoint: Path, train: pd.DataFrame, test: pd.DataFrame, groups: pd.Series, items: int
) -> pd.Series:
    """Mean accuracy of probes on a frozen encoder, each trained on the labels of ``items`` items.

    Parameters
    ----------
    checkpoint
        Directory of the encoder.
    train, test
        Rows with texts and ``label``; the training rows must suffice for :data:`DRAWS` sets of items.
    groups
        A group for each test row.
    items
        Labelled items of each probe.
    """
    ids = train["id"].drop_duplicates().tolist()
    draws = [ids[number * items : (number + 1) * items] for number in range(DRAWS)]
    features, test_features = hidden_features(checkpoint, train), hidden_features(checkpoint, test)
    results = []
    for draw in draws:
        chosen = train["id"].isin(draw).to_numpy()
        labels = train["label"].to_numpy()[chosen]
        results.append(accuracies(features[chosen], labels, test_features, test["label"].to_numpy(), groups))
    return pd.DataFrame(results).mean()


def _pooled(states: torch.Tensor, of_text: torch.Tensor) -> Array:
    count = of_text.sum(1)
    mean = (states * of_text).sum(1) / count
    highest = states.masked_fill(~of_text, -torch.inf).amax(1)
    lowest = states.masked_fill(~of_text, torch.inf).amin(1)
    return torch.cat([states[:, 0], mean, highest, lowest], dim=1).numpy()
