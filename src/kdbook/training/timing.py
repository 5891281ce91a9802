"""Latency: models compute the same batches in turns.

Timings on a shared machine mislead easily. So the models take turns, some batches at a time, and on one core
the processor time of the computing thread counts, which a busy neighbour hardly changes.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from statistics import median, quantiles
from typing import Any

import numpy as np
import pandas as pd

from kdbook.settings import machine
from kdbook.store.run import Milliseconds

BLOCK = {1: 20, 32: 8}  # batches of a model before the next one has its turn, by their rows; 1 of others
SECONDS = 0.3  # of measuring for each model and number of rows, and at least:
TURNS = 3  # of each model, after one as a warm-up
PARALLEL_TOKENIZERS = "TOKENIZERS_PARALLELISM"  # read by the library at each call

Clock = Callable[[], float]  # in seconds
Steps = Sequence[
    Callable[[Any], Any]
]  # the first one gets rows, each other one what the step before returned


def in_turns(
    models: Mapping[str, Steps], rows: pd.DataFrame, sizes: Iterable[int], clock: Clock
) -> dict[int, dict[str, list[Milliseconds]]]:
    """Milliseconds of each step of some models for a batch.

    Parameters
    ----------
    models
        The steps of each model, by its name.
    rows
        Rows from which batches are taken one after the other, from the start again where they end.
    sizes
        Numbers of rows in a batch.
    clock
        What measures a step, such as ``time.thread_time``.

    Returns
    -------
    dict
        By the number of rows, and then by model.
    """
    return {size: _in_turns(models, rows, size, clock) for size in sizes}


def _in_turns(
    models: Mapping[str, Steps], rows: pd.DataFrame, size: int, clock: Clock
) -> dict[str, list[Milliseconds]]:
    block = BLOCK.get(size, 1)
    seconds: dict[str, list[list[float]]] = {name: [] for name in models}
    order = deque(models)
    start = time.perf_counter()
    for turn in count():
        if turn > TURNS and time.perf_counter() - start > SECONDS * len(models):
            break
        batches = [_batch(rows, size, turn * block + number) for number in range(block)]
        for name in order:
            measured = [_seconds(models[name], batch, clock) for batch in batches]
            if turn > 0:
                seconds[name] += measured
        order.rotate(-1)
    return {name: [_milliseconds(step) for step in zip(*each, strict=True)] for name, each in seconds.items()}


def _batch(rows: pd.DataFrame, size: int, number: int) -> pd.DataFrame:
    return rows.take(np.arange(number * size, (number + 1) * size) % len(rows))


def _seconds(steps: Steps, batch: Any, clock: Clock) -> list[float]:
    """Seconds of each step."""
    seconds = []
    for step in steps:
        start = clock()
        batch = step(batch)
        seconds.append(clock() - start)
    return seconds


def _milliseconds(seconds: Sequence[float]) -> Milliseconds:
    """Median and 95th percentile of some durations."""
    p95 = quantiles(seconds, n=20, method="inclusive")[-1]
    return Milliseconds(median=1000 * median(seconds), p95=1000 * p95)


@contextmanager
def computing_on(cores: int) -> Iterator[Clock]:
    """Compute on so many cores, and give the clock to measure with.

    With one, this process is pinned to a core, texts are tokenized there as well, and the clock is that of
    the thread. With more, it is wall-clock time.
    """
    import torch

    threads, tokenizers = torch.get_num_threads(), os.environ.get(PARALLEL_TOKENIZERS)
    torch.set_num_threads(cores)
    os.environ[PARALLEL_TOKENIZERS] = str(cores > 1).lower()
    try:
        if cores == 1:
            with machine.pinned_to_one_core():
                yield time.thread_time
        else:
            yield time.perf_counter
    finally:
        torch.set_num_threads(threads)
        os.environ.pop(PARALLEL_TOKENIZERS)
        if tokenizers is not None:
            os.environ[PARALLEL_TOKENIZERS] = tokenizers
