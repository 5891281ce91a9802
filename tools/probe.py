"""How much of the task the compact encoders contain before fine-tuning: linear classifiers on their states.

    make probe

A probe with a few labels shows how near pretraining came to the task (Alain and Bengio 2017, "Understanding
intermediate layers using linear classifier probes"). Encoders and rows are those of the profile ``embedded``;
the labels are true ones, those that the study hides included. The record is kept for the page *The baseline*.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoModel, AutoTokenizer

from kdbook.data.generated import corpus
from kdbook.encoders import checkpoints
from kdbook.settings import profile
from kdbook.store.local import Store
from kdbook.study.study import Study

PROFILE = "embedded"
RECORD = Path(__file__).parents[1] / "src" / "kdbook" / "settings" / "records" / f"{PROFILE}.probe.json"
ITEMS = 50  # labelled items of a probe
DRAWS = 5  # sets of labelled items
TEST_ROWS = 2000
BATCH = 128
MAX_TOKENS = 128
FOLDS = 3  # of the cross-validation that chooses the regularization

Array = np.ndarray[Any, np.dtype[Any]]


def hidden_features(checkpoint: Path, rows: pd.DataFrame) -> Array:
    """Features of each pair without any training, shape (rows, 4 × width).

    The first token, and mean, maximum and minimum over the tokens of the second sentence.
    """
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    encoder = AutoModel.from_pretrained(checkpoint).eval()
    first, second = rows["sentence1"].tolist(), rows["sentence2"].tolist()
    features = []
    for start in range(0, len(rows), BATCH):
        batch = (texts[start : start + BATCH] for texts in (first, second))
        encoded = tokenizer(*batch, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            states = encoder(**encoded).last_hidden_state  # (rows, tokens, width)
        parts = [encoded.sequence_ids(row) for row in range(len(states))]
        in_second = torch.tensor([[part == 1 for part in row] for row in parts])[:, :, None]
        features.append(_pooled(states, in_second))
    return np.concatenate(features)


def _pooled(states: torch.Tensor, chosen: torch.Tensor) -> Array:
    """The first token, and mean, maximum and minimum over the chosen ones."""
    mean = (states * chosen).sum(1) / chosen.sum(1)
    highest = states.masked_fill(~chosen, -torch.inf).amax(1)
    lowest = states.masked_fill(~chosen, torch.inf).amin(1)
    return torch.cat([states[:, 0], mean, highest, lowest], dim=1).numpy()


def accuracies(train: Array, labels: Array, test: Array, truth: Array, groups: pd.Series) -> pd.Series:
    """Accuracy of a logistic regression on features, in each group of test rows.

    Its regularization is chosen by cross-validation on the training rows.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    search = GridSearchCV(model, {"logisticregression__C": np.logspace(-4, 4, 6)}, cv=FOLDS)
    correct = search.fit(train, labels).predict(test) == truth
    return pd.Series(correct, index=groups.index).groupby(groups).mean()


def probe(checkpoint: Path, train: pd.DataFrame, test: pd.DataFrame) -> pd.Series:
    """Mean accuracy by kind of pair of :data:`DRAWS` probes, each trained on :data:`ITEMS` items."""
    ids = train["id"].drop_duplicates().tolist()[: DRAWS * ITEMS]
    used = train[train["id"].isin(ids)]
    features, test_features = hidden_features(checkpoint, used), hidden_features(checkpoint, test)
    labels, truth, groups = used["true_label"].to_numpy(), test["label"].to_numpy(), kinds(test)
    results = []
    for start in range(0, len(ids), ITEMS):
        chosen = used["id"].isin(ids[start : start + ITEMS]).to_numpy()
        results.append(accuracies(features[chosen], labels[chosen], test_features, truth, groups))
    return pd.DataFrame(results).mean()


def kinds(rows: pd.DataFrame) -> pd.Series:
    """The kind of each pair: a paraphrase, an opposite, which pretraining never saw, or another edit."""
    edits = rows["edit"].map(lambda edit: "opposites" if edit == corpus.OPPOSITE else "other edits")
    return edits.where(rows["label"] == 0, "paraphrases")


def main() -> None:
    """Probe both encoders and keep the accuracies, with hashes of encoders and rows."""
    with tempfile.TemporaryDirectory() as folder:
        study = Study(profile.load(PROFILE), Store(Path(folder)))
        rows, data = study.data_digest("all"), study.data
    test = data["test"].sample(TEST_ROWS, random_state=0)
    arms = {"teacher": study.profile.teacher.checkpoint, "student": study.profile.student.checkpoint}
    encoders = {arm: checkpoints.locate(name) for arm, name in arms.items()}
    record = {
        "rows": rows,
        "encoders": {name: encoders[arm].identity for arm, name in arms.items()},
        "accuracy": {arm: probe(each.path, data.pool(), test).to_dict() for arm, each in encoders.items()},
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
