"""Latency of a student in several runtimes, from texts to probabilities.

Timings of a shared machine mislead easily. So all runtimes compute the same rows, block by block in turns,
and on one core the processor time of the computing thread counts, which a busy neighbour hardly changes.
"""

import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kdbook.data import texts
from kdbook.export.report import EAGER, TRACED
from kdbook.export.student import IDS, MASK, MODEL, QUANTIZED, SEGMENTS, Student
from kdbook.settings import machine

if TYPE_CHECKING:
    import torch

ROWS = (1, 32, 256)  # in a batch
BLOCK = {1: 20, 32: 4}  # batches of one runtime before it is the turn of the next, by their rows; others 1
SECONDS = 0.3  # of measuring for each runtime and number of rows, and at least:
ROUNDS = 3
PARALLEL_TOKENIZERS = "TOKENIZERS_PARALLELISM"  # read by the library at each call


class TorchStudent(Student):
    """An exported student with a torch module as its network.

    Like AutoMM, and unlike the exported student, it computes all rows as one batch.
    """

    def __init__(self, exported: Student, network: "torch.nn.Module") -> None:
        vars(self).update(vars(exported))
        self.network = network
        self.batch_size = max(ROWS)

    def _run(self, inputs: dict[str, np.ndarray], threads: int) -> np.ndarray:
        import torch

        arguments = [torch.from_numpy(inputs[name]) for name in (IDS, MASK, SEGMENTS) if name in inputs]
        with torch.inference_mode():
            probabilities: np.ndarray = self.network(*arguments).numpy()
        return probabilities


def runtimes(network: "torch.nn.Module", folder: Path, threads: int = 1) -> dict[str, Student]:
    """An exported student in each runtime: its network in PyTorch, and both exported models."""
    exact = Student(folder, quantized=False, threads=threads)
    return {
        EAGER: TorchStudent(exact, network),
        TRACED: TorchStudent(exact, traced(network, len(exact.inputs))),
        MODEL: exact,
        QUANTIZED: Student(folder, quantized=True, threads=threads),
    }


def traced(network: "torch.nn.Module", inputs: int) -> "torch.nn.Module":
    """The network as TorchScript, frozen, for any number of rows and tokens; it takes so many inputs."""
    import torch

    example = tuple(torch.ones((2, 8), dtype=torch.long) for _ in range(inputs))
    with torch.inference_mode(), warnings.catch_warnings(action="ignore"):  # about what is constant
        frozen: torch.nn.Module = torch.jit.freeze(torch.jit.trace(network, example))
    return frozen


def measure(
    models: Mapping[str, Student], rows: pd.DataFrame, threads: int = 1, sizes: Sequence[int] = ROWS
) -> dict[int, dict[str, float]]:
    """Median milliseconds for a batch, by its number of rows and the name of the model.

    Parameters
    ----------
    models
        Students that compute with this number of threads.
    rows
        Rows of the study's data; the same ones for every model.
    threads
        With one, this process is pinned to one core, and milliseconds are processor time. With more, they are
        wall-clock time.
    sizes
        Numbers of rows.
    """
    columns = [rows[column].tolist() for column in texts(rows)]
    with _threads(threads):
        return {size: _measure(models, columns, size, threads) for size in sizes}


def _measure(
    models: Mapping[str, Student], columns: list[list[str]], size: int, threads: int
) -> dict[str, float]:
    clock = time.thread_time if threads == 1 else time.perf_counter
    block = BLOCK.get(size, 1)
    seconds: dict[str, list[float]] = {name: [] for name in models}
    start = time.perf_counter()
    for turn in count():
        if turn >= ROUNDS and time.perf_counter() - start > SECONDS * len(models):
            break
        batches = [_batch(columns, size, turn * block + number) for number in range(block)]
        for name in _rotated(list(models), turn):
            for batch in batches:
                before = clock()
                models[name].probabilities(*batch)
                seconds[name].append(clock() - before)
    return {name: 1000 * median(of_model) for name, of_model in seconds.items()}


def _batch(columns: list[list[str]], size: int, number: int) -> list[list[str]]:
    """One of many batches of this size; the rows start again where they end."""
    total = len(columns[0])
    return [[column[(number * size + row) % total] for row in range(size)] for column in columns]


def _rotated(names: list[str], turn: int) -> list[str]:
    first = turn % len(names)
    return names[first:] + names[:first]


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Compute with so many threads; with one, on one core, and tokenize there as well."""
    import torch

    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        stack.callback(_restore, PARALLEL_TOKENIZERS, os.environ.get(PARALLEL_TOKENIZERS))
        torch.set_num_threads(number)
        os.environ[PARALLEL_TOKENIZERS] = str(number > 1).lower()
        if number == 1:
            stack.enter_context(machine.pinned_to_one_core())
        yield


def _restore(variable: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(variable, None)
    else:
        os.environ[variable] = value
