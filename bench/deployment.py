"""What an exported student costs against AutoMM's ``predict``, one pair at a time: ``make bench-deployment``."""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from kdbook import open_study
from kdbook.export import onnx_export, report, student
from kdbook.training import automm

PAIRS = 60
WARM_UPS = 5
PROFILE = "embedded"
STOCK, OPENED = "AutoMM predict", "AutoMM tokenizer and network"


def main() -> None:
    opened = open_study(PROFILE)
    arms = opened.get_or_train_arms(*opened.profile.main_arms)
    run = onnx_export.choose(arms.distilled)
    automm.import_quietly()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "student"
        exported = onnx_export.export(opened, arms, run, folder)
        seconds = measure(callers(run, folder), opened.data["test"].head(PAIRS + WARM_UPS))
    medians = {name: median(values[WARM_UPS:]) for name, values in seconds.items()}
    print(
        f"| {PAIRS} pairs, one at a time, one core | milliseconds | throughput against AutoMM predict |\n|---|---|---|"
    )
    for name, value in medians.items():
        print(f"| {name} | {1000 * value:.2f} | {medians[STOCK] / value:.1f} |")
    print(f"\ntest pairs answered otherwise in 32 bits: {exported.different} of {exported.rows}")
    print(
        f"accuracy: {exported.accuracy.value:.4f}, in 8 bits {100 * exported.change.value:+.2f} points",
        end="",
    )
    print(f" ({100 * exported.change.low:+.2f} to {100 * exported.change.high:+.2f})")
    print(
        f"size in 8 bits / AutoMM's predictor: {exported.sizes[student.QUANTIZED] / exported.sizes[report.AUTOMM]:.2f}"
    )


def callers(run: Any, folder: Path) -> dict[str, Callable[[Any], Any]]:
    from autogluon.multimodal.data.dataset import BaseDataset
    from autogluon.multimodal.data.utils import get_collate_fn
    from autogluon.multimodal.models.utils import run_model

    predictor = automm.load(run.predictor)
    predictor.set_verbosity(0)
    predictor._learner._enable_progress_bar = False
    learner = predictor._learner
    processors = {kind: processor for kind, processor in learner._data_processors.items() if kind != "label"}

    def network(row: Any) -> Any:
        dataset = BaseDataset(row, [learner._df_preprocessor], [processors], is_training=False)
        batch = get_collate_fn([learner._df_preprocessor], [processors], 1)([dataset[0]])
        with torch.inference_mode():
            return run_model(learner._model.eval(), batch)

    found: dict[str, Callable[[Any], Any]] = {STOCK: predictor.predict, OPENED: network}
    for name in (student.MODEL, student.QUANTIZED):
        model = student.Student(folder, name == student.QUANTIZED)
        found[name] = lambda row, model=model: model.probabilities(
            row["sentence1"].tolist(), row["sentence2"].tolist()
        )
    return found


def measure(calls: dict[str, Callable[[Any], Any]], texts: Any) -> dict[str, list[float]]:
    """All callers take turns at every pair."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for number in range(len(texts)):
        row = texts[["sentence1", "sentence2"]].iloc[number : number + 1]
        for name, call in calls.items():
            start = time.perf_counter()
            call(row)
            seconds[name].append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    main()
