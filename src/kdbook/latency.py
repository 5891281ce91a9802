"""How long a model lets its user wait, measured on the processor or GPU and the number of threads that it was trained on."""

import time
from collections.abc import Callable
from itertools import cycle, islice
from statistics import median, quantiles
from typing import Any

import pandas as pd

REPEATS = {1: 100, 32: 40}  # batches measured, by their size
WARM_UPS = 10
TOKENIZE, FORWARD = "tokenize", "forward"

Latency = dict[str, dict[str, dict[str, float]]]


def measure(predictor: Any, texts: pd.DataFrame) -> Latency:
    """Milliseconds that a fitted ``MultiModalPredictor`` takes for a batch of sentence pairs, without AutoMM's start-up.

    After 10 warm-ups, 100 batches of one pair and 40 of 32 are taken one after the other from ``texts`` (columns
    ``sentence1``, ``sentence2``).

    Returns
    -------
    By batch size (``"1"``, ``"32"``), then ``tokenize`` (text to tensors) and ``forward`` (tensors to logits), then
    ``median`` and ``p95``.
    """
    import torch
    from autogluon.multimodal.constants import LABEL
    from autogluon.multimodal.data.dataset import BaseDataset
    from autogluon.multimodal.data.utils import get_collate_fn
    from autogluon.multimodal.models.utils import run_model

    learner = predictor._learner
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = learner._model.to(device).eval()
    asked = {kind: processor for kind, processor in learner._data_processors.items() if kind != LABEL}
    preprocessors, processors = [learner._df_preprocessor], [asked]

    def tokenize(rows: pd.DataFrame) -> dict[str, Any]:
        dataset = BaseDataset(rows, preprocessors, processors, is_training=False)
        collate = get_collate_fn(preprocessors, processors, len(rows))
        return collate([dataset[row] for row in range(len(rows))])

    def forward(batch: dict[str, Any]) -> Any:
        output = run_model(model, {name: part.to(device) for name, part in batch.items()})
        if device == "cuda":
            torch.cuda.synchronize()
        return output

    with torch.inference_mode():
        return {str(size): _measured(tokenize, forward, texts, size, repeats) for size, repeats in REPEATS.items()}


def _measured(tokenize: Callable, forward: Callable, texts: pd.DataFrame, size: int, repeats: int) -> dict[str, dict[str, float]]:
    starts = range(0, max(1, len(texts) - size + 1), size)
    batches = [texts.iloc[start : start + size] for start in starts]
    seconds: dict[str, list[float]] = {TOKENIZE: [], FORWARD: []}
    for rows in islice(cycle(batches), WARM_UPS + repeats):
        start = time.perf_counter()
        batch = tokenize(rows)
        between = time.perf_counter()
        forward(batch)
        seconds[TOKENIZE].append(between - start)
        seconds[FORWARD].append(time.perf_counter() - between)
    return {part: _summary(values[WARM_UPS:]) for part, values in seconds.items()}


def _summary(seconds: list[float]) -> dict[str, float]:
    return {"median": 1000 * median(seconds), "p95": 1000 * quantiles(seconds, n=20)[-1]}
