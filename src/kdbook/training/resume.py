"""What an interrupted fit needs to continue and end as it would have. Imports Lightning."""

import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback

from kdbook.store.run import FitCheckpoint
from kdbook.training.automm import LAST_CHECKPOINT

State = dict[str, Any]  # of a Lightning callback


@dataclass(frozen=True)
class FitProgress:
    """How far a fit has come: batches done and planned, and seconds since its start."""

    step: int
    steps: int
    seconds: float


class RandomStateCallback(Callback):
    """Keeps the state of all random generators in every checkpoint, and restores it."""

    def state_dict(self) -> State:
        """The state, in types that ``torch.load(weights_only=True)`` accepts."""
        name, keys, *rest = np.random.get_state(legacy=True)
        return {
            "python": random.getstate(),
            "numpy": (str(name), torch.from_numpy(np.asarray(keys, np.int64)), *rest),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all(),
        }

    def load_state_dict(self, state: State) -> None:
        """Restore it; a machine with fewer GPUs restores those that it has."""
        name, keys, *rest = state["numpy"]
        random.setstate(state["python"])
        np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
        torch.set_rng_state(state["torch"])
        for device, cuda in zip(range(torch.cuda.device_count()), state["cuda"], strict=False):
            torch.cuda.set_rng_state(cuda, device)


class HistoryCallback(Callback):
    """Reports progress, and keeps in every checkpoint the history and the seconds of a fit.

    Parameters
    ----------
    report
        Called with the progress after each batch.
    on_checkpoint
        Called after each validation, before AutoMM writes its checkpoint.
    """

    def __init__(
        self, report: Callable[[FitProgress], None], on_checkpoint: Callable[[FitCheckpoint], None]
    ) -> None:
        self.report, self.on_checkpoint = report, on_checkpoint
        self.history: list[dict[str, float]] = []
        self.seconds_before = 0.0
        self.interruptions = 0
        self.batches = 0
        self.start = time.perf_counter()

    def seconds(self) -> float:
        """Seconds of training, those before an interruption included."""
        return self.seconds_before + time.perf_counter() - self.start

    def on_train_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_index: int
    ) -> None:
        """Report the progress."""
        per_epoch = trainer.num_training_batches
        self.batches = trainer.current_epoch * per_epoch + batch_index + 1
        self.report(FitProgress(self.batches, int(per_epoch * trainer.max_epochs), self.seconds()))

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        """Add a row to the history."""
        if trainer.sanity_checking:
            return
        epoch = self.batches / trainer.num_training_batches
        checkpoint = FitCheckpoint(epoch=epoch, epochs=trainer.max_epochs, seconds=self.seconds())
        metrics = trainer.callback_metrics
        self.history.append(
            {
                "epoch": checkpoint.epoch,
                "seconds": checkpoint.seconds,
                "train_loss": float(metrics["train_loss"]),
                "validation_score": float(metrics[module.validation_metric_name]),
            }
        )
        self.on_checkpoint(checkpoint)

    def state_dict(self) -> State:
        """History, seconds and interruptions."""
        return {
            "history": self.history,
            "seconds": self.seconds(),
            "interruptions": self.interruptions,
            "batches": self.batches,
        }

    def load_state_dict(self, state: State) -> None:
        """Continue from them."""
        self.history, self.seconds_before, self.batches = (
            list(state["history"]),
            state["seconds"],
            state["batches"],
        )
        self.interruptions = state["interruptions"] + 1
        self.start = time.perf_counter()


def restore_last_checkpoint(path: Path) -> bool:
    """Make the last readable checkpoint of an interrupted fit its last one; False if there is none.

    AutoMM does not write ``last.ckpt`` atomically; if it is cut off, the best epoch's checkpoint replaces it.
    """
    last = path / LAST_CHECKPOINT
    readable = next((file for file in (last, *path.glob("epoch=*.ckpt")) if _is_readable(file)), None)
    if readable and readable != last:
        shutil.copyfile(readable, last)
    return readable is not None


def _is_readable(checkpoint: Path) -> bool:
    try:
        return bool(torch.load(checkpoint, map_location="cpu", weights_only=True))
    except Exception:  # torch documents no common class for what a truncated file raises
        return False
