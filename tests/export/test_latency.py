"""All runtimes answer the same rows, and measuring leaves the process as it was."""

import os
from itertools import count
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from kdbook.export import latency, onnx_export
from kdbook.export.latency import PARALLEL_TOKENIZERS
from kdbook.export.report import EAGER, TRACED
from kdbook.export.student import MODEL
from kdbook.settings import machine

pytestmark = pytest.mark.training


@pytest.fixture
def rows():
    return pd.DataFrame({"sentence1": [f"a {number}" for number in range(40)], "sentence2": "b"})


def recorder(batches: list):
    def probabilities(*columns):
        batches.append(columns)

    return SimpleNamespace(probabilities=probabilities)


def test_every_model_gets_the_same_batches_of_the_size_that_is_measured(rows, monkeypatch):
    monkeypatch.setattr(latency, "SECONDS", 0)
    batches = {"a": [], "b": []}
    result = latency.measure({name: recorder(own) for name, own in batches.items()}, rows, sizes=(1, 32, 100))
    assert batches["a"] == batches["b"] and list(result) == [1, 32, 100]
    assert {len(column) for batch in batches["a"] for column in batch} == {1, 32, 100}
    assert all(set(milliseconds) == {"a", "b"} for milliseconds in result.values())
    first = [batch[0][0] for batch in batches["a"] if len(batch[0]) == 1]
    assert len(set(first)) == len(rows)  # not one row over and over, whose words would be in every cache


def test_the_models_take_turns(rows, monkeypatch):
    monkeypatch.setattr(latency, "SECONDS", 0)
    order = []
    models = {
        name: SimpleNamespace(probabilities=lambda *_, name=name: order.append(name)) for name in ("a", "b")
    }
    latency.measure(models, rows, sizes=(256,))
    assert order == ["a", "b", "b", "a", "a", "b"]


@pytest.mark.parametrize("value", [None, "true"])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_process_is_left_as_it_was(rows, monkeypatch, threads, value):
    monkeypatch.setattr(latency, "SECONDS", 0)
    monkeypatch.delenv(PARALLEL_TOKENIZERS, raising=False)
    if value:
        monkeypatch.setenv(PARALLEL_TOKENIZERS, value)
    before = torch.get_num_threads(), machine.cores(), os.environ.get(PARALLEL_TOKENIZERS)
    within = []

    def probabilities(*_):
        within.append((torch.get_num_threads(), machine.cores(), os.environ[PARALLEL_TOKENIZERS]))

    latency.measure({"a": SimpleNamespace(probabilities=probabilities)}, rows, threads, sizes=(1,))
    expected = (1, 1, "false") if threads == 1 else (2, before[1], "true")
    assert set(within) == {expected}
    assert (torch.get_num_threads(), machine.cores(), os.environ.get(PARALLEL_TOKENIZERS)) == before


def test_on_one_core_waiting_does_not_count(rows, monkeypatch):
    """Time in which another process has the core, for example."""
    ticks = count()
    monkeypatch.setattr(latency.time, "perf_counter", lambda: float(next(ticks)) * 100)
    monkeypatch.setattr(latency.time, "thread_time", lambda: float(next(ticks)) / 1000)
    result = latency.measure({"a": recorder([])}, rows, sizes=(1,))
    assert result[1]["a"] == pytest.approx(1.0)


def test_pytorch_and_the_export_predict_alike(smoke, tmp_path):
    run = smoke.get_or_train("transfer")
    folder = tmp_path / "student"
    onnx_export.export(smoke, smoke.get_or_train_arms("teacher", "baseline", "transfer"), run, folder)
    sentences = smoke.data["test"].head(40)
    models = latency.runtimes(onnx_export.torch_network(run)[0], folder)
    exported = onnx_export.probabilities(models[MODEL], sentences)
    for name in (EAGER, TRACED):
        predicted = onnx_export.probabilities(models[name], sentences)
        np.testing.assert_allclose(predicted, exported, atol=1e-4)
