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
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
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
from kdbook.training.fit import fit, flushing_denormals
from kdbook.training.lessons import with_hidden_labels

ROUNDS = 3
WARM_UP_ROWS = 256
PROFILE = "embedded"
STOCK, FIRST, FURTHER = "stock distilled", "three lines, first student", "three lines, further student"
STOCK_PLAIN, PLAIN = "stock plain", "plain"
FLUSHING, NOT_VALIDATING = "stock distilled, denormals flushed", "stock distilled, no teacher in validation"
TOKENS_ONCE = "stock plain, tokens once"
RATIOS = (
    (FIRST, STOCK, 0.35),
    (FURTHER, STOCK, 0.18),
    (FURTHER, PLAIN, 1.05),
    (PLAIN, STOCK_PLAIN, 0.60),
)

CAUSES = (  # what three lines change of a stock fit, each alone; the rest of the gain is the last one's
    ("the teacher does not run in validation", STOCK, NOT_VALIDATING),
    ("the student's tokens are made once", STOCK_PLAIN, TOKENS_ONCE),
)
LAST_CAUSE = "the teacher runs once for each training row"

Fit = Callable[[], MultiModalPredictor]
Around = Callable[[MultiModalPredictor], AbstractContextManager[None]]


@contextmanager
def _without_teacher_in_validation(predictor: MultiModalPredictor) -> Iterator[None]:
    automm.skip_teacher_in_validation(automm.learner_of(predictor))
    yield


@dataclass
class Bench:
    """The fits on some rows; ``folder`` holds predictors and the outputs of the teacher."""

    study: Study
    rows: pd.DataFrame
    folder: Path

    def fits(self, seed: int) -> dict[str, Fit]:
        """The fits of a round by name, those that share the teacher's outputs in a folder of the round."""
        outputs = Path(tempfile.mkdtemp(dir=self.folder))
        teacher = self.study.get_or_train(TEACHER).predictor
        settings = fit_settings(self.study, f"{TRANSFER}-0", seed)  # the same with and without a teacher
        validation = self.study.data["validation"]

        def path() -> Path:
            return Path(tempfile.mkdtemp(dir=self.folder))

        def stock(teacher: Path | None, around: Around = lambda predictor: nullcontext()) -> Fit:
            return lambda: stock_fit(path(), self.rows, validation, settings, teacher, around=around)

        def three_lines(predictor: MultiModalPredictor) -> AbstractContextManager[None]:
            return kdbook.fast_distillation(predictor, outputs)

        return {
            STOCK: stock(teacher),
            FIRST: stock(teacher, three_lines),
            FURTHER: stock(teacher, three_lines),
            FLUSHING: stock(teacher, lambda predictor: flushing_denormals()),
            NOT_VALIDATING: stock(teacher, _without_teacher_in_validation),
            STOCK_PLAIN: stock(None),
            TOKENS_ONCE: stock(None, three_lines),
            PLAIN: lambda: fit(path(), self.rows, validation, settings),
        }

    def round(self, number: int) -> tuple[dict[str, float], float]:
        """Processor seconds of each fit, and the largest difference of the two students' probabilities."""
        fits = self.fits(number)
        turns = [
            [STOCK],
            [FIRST, FURTHER],
            [FLUSHING],
            [NOT_VALIDATING],
            [STOCK_PLAIN],
            [TOKENS_ONCE],
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
    print("| fit | CPU seconds, by round | median | minimum | maximum |\n|---|---|---|---|---|")
    for name, values in seconds.items():
        rounds = " ".join(f"{value:.1f}" for value in values)
        median, low, high = statistics.median(values), min(values), max(values)
        print(f"| {name} | {rounds} | {median:.1f} | {low:.1f} | {high:.1f} |")
    _print_causes(seconds)
    print("\n| ratio | median | minimum | maximum | at most |\n|---|---|---|---|---|")
    for above, below, bar in RATIOS:
        ratios = [one / other for one, other in zip(seconds[above], seconds[below], strict=True)]
        median, low, high = statistics.median(ratios), min(ratios), max(ratios)
        print(f"| {above} / {below} | {median:.2f} | {low:.2f} | {high:.2f} | {bar} |")
    shown = ", ".join(f"{value:.1e}" for value in differences)
    print(f"\nlargest difference of probabilities, stock against three lines, by round: {shown}")


def _print_causes(seconds: dict[str, list[float]]) -> None:
    def saved(stock: str, changed: str) -> float:
        pairs = zip(seconds[stock], seconds[changed], strict=True)  # of one round
        return statistics.median(one - other for one, other in pairs)

    gain = saved(STOCK, FURTHER)
    causes = {cause: saved(stock, changed) for cause, stock, changed in CAUSES}
    causes[LAST_CAUSE] = gain - sum(causes.values())
    print(
        "\n| why a further student costs less than with stock AutoMM | CPU seconds | share |\n|---|---|---|"
    )
    for cause, value in causes.items():
        print(f"| {cause} | {value:.1f} | {value / gain:.0%} |")
    print(f"flushing denormals alone saves {saved(STOCK, FLUSHING):.1f} s of a stock fit")


if __name__ == "__main__":
    main()
