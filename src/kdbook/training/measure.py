"""What is measured beside a result: latency, memory, parameters, hardware.

None of it enters the key of a run.
"""

import os
import platform
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from kdbook.store.run import BatchLatency, Hardware, ParameterCounts
from kdbook.training import automm, timing

if TYPE_CHECKING:
    from autogluon.multimodal import MultiModalPredictor

SIZES = (1, 32)  # rows of the batches whose latency is measured
Inputs = TypeVar("Inputs")
EMBEDDINGS = "embeddings."  # part of the name of each weight of the embeddings


def latency(predictor: "MultiModalPredictor", texts: pd.DataFrame) -> dict[int, BatchLatency]:
    """Inference latency by batch size, on the hardware and thread count used for training, without AutoMM's
    start-up: on one core processor time, which a busy machine hardly changes, else wall-clock time.

    ``texts`` has the columns ``sentence1`` and for pairs ``sentence2``.
    """
    import torch
    from autogluon.multimodal.constants import LABEL
    from autogluon.multimodal.data.dataset import BaseDataset
    from autogluon.multimodal.data.utils import get_collate_fn
    from autogluon.multimodal.models.utils import run_model

    learner = automm.learner_of(predictor)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = learner._model.to(device).eval()
    preprocessors = [learner._df_preprocessor]
    processors = [{kind: each for kind, each in learner._data_processors.items() if kind != LABEL}]

    def tokenize(rows: pd.DataFrame) -> automm.Batch:
        dataset = BaseDataset(rows, preprocessors, processors, is_training=False)
        collate = get_collate_fn(preprocessors, processors, len(rows))
        batch: automm.Batch = collate([dataset[row] for row in range(len(rows))])
        return batch

    def forward(batch: automm.Batch) -> None:
        run_model(model, {name: part.to(device) for name, part in batch.items()})
        if device == "cuda":
            torch.cuda.synchronize()

    one_core = device == "cpu" and torch.get_num_threads() == 1
    with torch.inference_mode():
        clock = time.thread_time if one_core else time.perf_counter
        return batch_latencies(tokenize, forward, texts, clock)


def batch_latencies(
    tokenize: Callable[[pd.DataFrame], Inputs],
    forward: Callable[[Inputs], object],
    texts: pd.DataFrame,
    clock: timing.Clock,
) -> dict[int, BatchLatency]:
    """The same for any model, in two steps: from rows to its inputs, and from these to its outputs."""
    measured = timing.in_turns({"model": (tokenize, forward)}, texts, SIZES, clock)
    return {
        size: BatchLatency(tokenize=steps["model"][0], forward=steps["model"][1])
        for size, steps in measured.items()
    }


def parameter_counts(model: Any) -> ParameterCounts:
    """Numbers of parameters of a torch model: in the embeddings, in the backbone (all others), and in
    total.
    """
    sizes = {name: weight.numel() for name, weight in model.named_parameters()}
    embeddings = sum(size for name, size in sizes.items() if EMBEDDINGS in name)
    total = sum(sizes.values())
    return ParameterCounts(total=total, embeddings=embeddings, backbone=total - embeddings)


def hardware() -> Hardware:
    """The machine, in words that do not identify it."""
    import torch

    return Hardware(
        processor=platform.processor() or platform.machine(),
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        gpu=torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        system=platform.system(),
    )
