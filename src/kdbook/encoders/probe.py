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
from transformers.utils import logging as transformers_logging

from kdbook.data import texts

BATCH = 128
DRAWS = 5  # sets of labelled items
FOLDS = 3  # of the cross-validation that chooses the regularization
MAX_TOKENS = 128

Array = np.ndarray[Any, np.dtype[Any]]


def hidden_features(checkpoint: Path, rows: pd.DataFrame) -> Array:
    """Features of each row without any training, shape (rows, 4 × width).

    The first token, and mean, maximum and minimum over the tokens of the second text, or of the only one;
    where a tokenizer does not separate the texts, over all tokens.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    encoder = AutoModel.from_pretrained(checkpoint).to(device).eval()
    columns = [rows[column].tolist() for column in texts(rows)]
    features = []
    with torch.no_grad():
        for start in range(0, len(rows), BATCH):
            batch = [column[start : start + BATCH] for column in columns]
            encoded = tokenizer(
                *batch, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
            )
            states = encoder(**encoded.to(device)).last_hidden_state.cpu()  # (rows, tokens, width)
            features.append(_pooled(states, _last_text(encoded, len(columns))))
    return np.concatenate(features)


def accuracies(train: Array, labels: Array, test: Array, truth: Array, groups: pd.Series) -> pd.Series:
    """Accuracy of a logistic regression on features, in each group of test rows.

    Its regularization is chosen by cross-validation on the training rows, where there are enough of each
    class.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classes, counts = np.unique(labels, return_counts=True)
    model: Any = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    folds = min(FOLDS, int(counts.min()))
    if folds > 1:
        model = GridSearchCV(model, {"logisticregression__C": np.logspace(-4, 4, 6)}, cv=folds)
    one_class = np.full(len(test), classes[0])
    predicted = model.fit(train, labels).predict(test) if len(classes) > 1 else one_class
    correct: pd.Series = pd.Series(predicted == truth, index=groups.index)
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
    ids = train["id"].drop_duplicates().tolist()[: DRAWS * items]
    used = train[train["id"].isin(ids)]
    features, test_features = hidden_features(checkpoint, used), hidden_features(checkpoint, test)
    labels, truth = used["label"].to_numpy(), test["label"].to_numpy()
    results = []
    for start in range(0, len(ids), items):
        chosen = used["id"].isin(ids[start : start + items]).to_numpy()
        results.append(accuracies(features[chosen], labels[chosen], test_features, truth, groups))
    return pd.DataFrame(results).mean()


def _last_text(encoded: Any, columns: int) -> torch.Tensor:
    """Which tokens belong to the last text of each row, shape (rows, tokens, 1)."""
    mask: torch.Tensor = encoded["attention_mask"].cpu().bool()
    if encoded.is_fast:
        parts = [encoded.sequence_ids(row) for row in range(len(mask))]
        mask = torch.tensor([[part == columns - 1 for part in row] for row in parts])
    return mask[:, :, None]


def _pooled(states: torch.Tensor, of_text: torch.Tensor) -> Array:
    count = of_text.sum(1).clamp(min=1)
    mean = (states * of_text).sum(1) / count
    low, high = torch.finfo(states.dtype).min, torch.finfo(states.dtype).max
    highest = states.masked_fill(~of_text, low).amax(1).clamp(min=-1e4)
    lowest = states.masked_fill(~of_text, high).amin(1).clamp(max=1e4)
    return torch.cat([states[:, 0], mean, highest, lowest], dim=1).numpy()
