"""Models take turns on the same batches, and measuring leaves the process as it was."""

import os
import time
from itertools import count

import pandas as pd
import pytest
import torch

from kdbook.settings import machine
from kdbook.training import timing
from kdbook.training.timing import BLOCK, PARALLEL_TOKENIZERS, TURNS

pytestmark = pytest.mark.training  # imports torch


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(timing, "SECONDS", 0)


@pytest.fixture
def rows():
    return pd.DataFrame({"sentence1": [f"a {number}" for number in range(40)], "sentence2": "b"})


def test_every_model_gets_the_same_batches_of_the_size_that_is_measured(rows):
    batches = {"a": [], "b": []}
    models = {
        name: [lambda batch, of=of: of.append(list(batch["sentence1"]))] for name, of in batches.items()
    }
    measured = timing.in_turns(models, rows, (1, 32, 100), time.thread_time)
    assert batches["a"] == batches["b"] and list(measured) == [1, 32, 100]
    assert {len(batch) for batch in batches["a"]} == {1, 32, 100}
    assert all(set(by_model) == {"a", "b"} for by_model in measured.values())
    first = [batch[0] for batch in batches["a"] if len(batch) == 1]
    assert len(set(first)) == len(rows)  # not one row over and over, whose words would be in every cache


def test_the_models_take_turns(rows):
    order = []
    models = {name: [lambda _, name=name: order.append(name)] for name in ("a", "b")}
    timing.in_turns(models, rows, [256], time.thread_time)
    assert order == ["a", "b", "b", "a", "a", "b", "b", "a"] and len(order) == 2 * (1 + TURNS)


def test_each_step_gets_what_the_one_before_returned_and_has_a_time_of_its_own(rows):
    now = [0.0]

    def step(seconds):
        def compute(given):
            now[0] += seconds
            return given if isinstance(given, int) else len(given)

        return compute

    measured = timing.in_turns({"a": (step(0.001), step(0.002))}, rows, [32], lambda: now[0])
    first, second = measured[32]["a"]
    assert (first.median, second.median) == pytest.approx((1, 2)) and second.p95 == pytest.approx(2)


def test_the_first_turn_is_a_warm_up(rows):
    calls, now = count(), [0.0]

    def compute(_):
        now[0] += 10.0 if next(calls) < BLOCK[1] else 0.001

    (part,) = timing.in_turns({"a": [compute]}, rows, [1], lambda: now[0])[1]["a"]
    assert part.p95 == pytest.approx(1)


@pytest.mark.parametrize("value", [None, "true"])
@pytest.mark.parametrize("cores", [1, 2])
def test_the_process_is_left_as_it_was(monkeypatch, cores, value):
    monkeypatch.delenv(PARALLEL_TOKENIZERS, raising=False)
    if value:
        monkeypatch.setenv(PARALLEL_TOKENIZERS, value)
    before = torch.get_num_threads(), machine.cores(), os.environ.get(PARALLEL_TOKENIZERS)
    with timing.computing_on(cores) as clock:
        within = torch.get_num_threads(), machine.cores(), os.environ[PARALLEL_TOKENIZERS]
    assert within == ((1, 1, "false") if cores == 1 else (2, before[1], "true"))
    assert clock is (time.thread_time if cores == 1 else time.perf_counter)  # on one, waiting does not count
    assert (torch.get_num_threads(), machine.cores(), os.environ.get(PARALLEL_TOKENIZERS)) == before
