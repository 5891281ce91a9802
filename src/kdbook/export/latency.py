"""Latency of a student in several runtimes, from texts to probabilities."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kdbook.data import texts
from kdbook.export.report import EAGER, TRACED, Latencies
from kdbook.export.student import IDS, MASK, MODEL, QUANTIZED, SEGMENTS, Student
from kdbook.training import timing

if TYPE_CHECKING:
    import torch

ROWS = (1, 32, 256)  # in a batch
Runtime = Callable[..., Any]  # from a list of texts for each column to an array (rows, classes)


def runtimes(network: "torch.nn.Module", folder: Path, threads: int = 1) -> dict[str, Runtime]:
    """An exported student in each runtime: its network in PyTorch, and both exported models."""
    exact, rounded = (Student(folder, quantized, threads) for quantized in (False, True))
    return {
        EAGER: partial(_run_in_torch, exact, network),
        TRACED: partial(_run_in_torch, exact, _traced(network, len(exact.inputs))),
        MODEL: exact.probabilities,
        QUANTIZED: rounded.probabilities,
    }


def _run_in_torch(student: Student, network: "torch.nn.Module", *columns: list[str]) -> np.ndarray:
    """Probabilities of all rows as one batch, as AutoMM computes them and an exported student does not."""
    import torch

    inputs = student.encode(*columns)
    arguments = [torch.from_numpy(inputs[name]) for name in (IDS, MASK, SEGMENTS) if name in inputs]
    with torch.inference_mode():
        probabilities: np.ndarray = network(*arguments).numpy()
    return probabilities


def _traced(network: "torch.nn.Module", inputs: int) -> "torch.nn.Module":
    """The network as TorchScript, frozen, for any number of rows and tokens; it takes so many inputs."""
    import torch

    example = tuple(torch.ones((2, 8), dtype=torch.long) for _ in range(inputs))
    with torch.inference_mode(), warnings.catch_warnings(action="ignore"):  # about what is constant
        frozen: torch.nn.Module = torch.jit.freeze(torch.jit.trace(network, example))
    return frozen


def columns_of(rows: pd.DataFrame) -> list[list[str]]:
    """The texts of a frame of the study's data, a list for each column."""
    return [rows[column].tolist() for column in texts(rows)]


def measure(
    models: Mapping[str, Runtime], rows: pd.DataFrame, threads: int = 1, sizes: Sequence[int] = ROWS
) -> Latencies:
    """Median milliseconds for a batch, by its number of rows and the name of the model.

    Parameters
    ----------
    models
        Runtimes that compute with this number of threads.
    rows
        Rows of the study's data; the same ones for every model.
    threads
        With one, this process is pinned to one core, and milliseconds are processor time. With more, they are
        wall-clock time.
    sizes
        Numbers of rows.
    """
    steps = {
        name: (columns_of, lambda columns, model=model: model(*columns)) for name, model in models.items()
    }
    with timing.computing_on(threads) as clock:
        measured = timing.in_turns(steps, rows, sizes, clock)
    return {
        size: {name: milliseconds[-1].median for name, milliseconds in by_model.items()}
        for size, by_model in measured.items()
    }
