"""What distillation costs against stock AutoMM and against fine-tuning: ``make bench-distillation``.

All fits run on one pinned core, in an order that rotates from round to round, each with the prepared tokens of
earlier fits cleared. What counts are processor seconds, which a busy neighbour hardly changes.
"""

import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from autogluon.multimodal import MultiModalPredictor
from helpers import fit_settings, stock_fit

import kdbook
from kdbook.data import texts
from kdbook.settings.arms import TEACHER, TRANSFER
from kdbook.study.study import Study
from kdbook.training import automm, pretokenized
from kdbook.training.fit import fit
from kdbook.training.lessons import with_hidden_labels

ROUNDS = 3
WARM_UP_ROWS = 256
PROFILE = "embedded"
STOCK, FIRST, FURTHER = "stock distilled", "three lines, first student", "three lines, further student"
STOCK_PLAIN, PLAIN = "stock plain", "plain"
RATIOS = (
    (FIRST, STOCK, 0.35),
    (FURTHER, STOCK, 0.18),
    (FURTHER, PLAIN, 1.05),
    (PLAIN, STOCK_PLAIN, 0.60),
)


@dataclass
class Bench:
    """The fits on some rows; ``folder`` holds predictors and the outputs of the teacher."""

    study: Study
    rows: pd.DataFrame
    folder: Path

    def fits(self, seed: int) -> dict[str, Callable[[], MultiModalPredictor]]:
        """The fits of a round by name, those that share the teacher's outputs in a folder of the round."""
        outputs = Path(tempfile.mkdtemp(dir=self.folder))
        teacher = self.study.get_or_train(TEACHER).predictor
        settings = fit_settings(self.study, f"{TRANSFER}-0", seed)  # the same with and without a teacher
        validation = self.study.data["validation"]

        def path() -> Path:
            return Path(tempfile.mkdtemp(dir=self.folder))

        def three_lines() -> MultiModalPredictor:
            return stock_fit(
                path(),
                self.rows,
                validation,
                settings,
                teacher,
                around=lambda predictor: kdbook.fast_distillation(predictor, outputs),
            )

        return {
            STOCK: lambda: stock_fit(path(), self.rows, validation, settings, teacher),
            FIRST: three_lines,
            FURTHER: three_lines,
            STOCK_PLAIN: lambda: stock_fit(path(), self.rows, validation, settings),
            PLAIN: lambda: fit(path(), self.rows, validation, settings),
        }

    def round(self, number: int) -> tuple[dict[str, float], float]:
        """Processor seconds of each fit, and the largest difference of the two students' probabilities."""
        fits = self.fits(number)
        turns = [
            [STOCK],
            [FIRST, FURTHER],
            [STOCK_PLAIN],
            [PLAIN],
        ]  # the first student comes before the further one
        shift = number % len(turns)
        order = [name for turn in turns[shift:] + turns[:shift] for name in turn]
        seconds, predictors = {}, {}
        for name in order:
            print(name, file=sys.stderr, flush=True)
            pretokenized._latest.clear()
            start = time.process_time()
            predictors[name] = fits[name]()
            seconds[name] = time.process_time() - start
        rows = self.study.data["test"][texts(self.rows)]
        stock, fast = (predictors[name].predict_proba(rows, as_pandas=False) for name in (STOCK, FURTHER))
        return seconds, float(np.abs(stock - fast).max())


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    study = kdbook.open_study(PROFILE)
    rows = with_hidden_labels(study.data)
    automm.import_quietly()
    seconds: dict[str, list[float]] = defaultdict(list)
    differences = []
    with tempfile.TemporaryDirectory() as folder:
        Bench(study, rows.head(WARM_UP_ROWS), Path(folder)).round(0)
        for number in range(1, ROUNDS + 1):
            measured, difference = Bench(study, rows, Path(folder)).round(number)
            differences.append(difference)
            for name, value in measured.items():
                seconds[name].append(value)
    _print(len(rows), seconds, differences)


def _print(rows: int, seconds: dict[str, list[float]], differences: list[float]) -> None:
    print(f"{rows:,} rows, {ROUNDS} rounds, one core\n")
    print("| fit | CPU seconds, median | minimum | maximum |\n|---|---|---|---|")
    for name, values in seconds.items():
        print(f"| {name} | {statistics.median(values):.1f} | {min(values):.1f} | {max(values):.1f} |")
    print("\n| ratio | median | minimum | maximum | at most |\n|---|---|---|---|---|")
    for above, below, bar in RATIOS:
        ratios = [one / other for one, other in zip(seconds[above], seconds[below], strict=True)]
        median, low, high = statistics.median(ratios), min(ratios), max(ratios)
        print(f"| {above} / {below} | {median:.2f} | {low:.2f} | {high:.2f} | {bar} |")
    shown = ", ".join(f"{value:.1e}" for value in differences)
    print(f"\nlargest difference of probabilities, stock against three lines, by round: {shown}")


if __name__ == "__main__":
    main()
