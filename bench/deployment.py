"""What an exported student costs against AutoMM's ``predict`` and against PyTorch: ``make bench-deployment``."""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from kdbook import open_study
from kdbook.export import latency, onnx_export, student
from kdbook.export.report import RUNTIMES, TRACED
from kdbook.settings import machine
from kdbook.store.run import Run
from kdbook.training import automm

PROFILE = "embedded"
PREDICT, OPTIMIZED = "AutoMM predict", "AutoMM predict, optimized"
ROUNDS = 3
BARS = {1: 0.40, 32: 0.55}


def automm_runtime(run: Run, optimized: bool) -> latency.Runtime:
    """AutoMM's ``predict_proba``, to be measured beside the runtimes of an export."""
    predictor = automm.load(run.predictor)
    predictor.set_verbosity(0)
    predictor._learner._enable_progress_bar = False
    if optimized:
        predictor.optimize_for_inference(providers=["CPUExecutionProvider"])

    def probabilities(first: list[str], second: list[str]) -> np.ndarray:
        rows = pd.DataFrame({"sentence1": first, "sentence2": second})
        return predictor.predict_proba(rows, as_pandas=False)

    return probabilities


def automm_runtimes(run: Run) -> dict[str, latency.Runtime]:
    """AutoMM as it is, and optimized where that works.

    AutoMM 1.6 gives an optimized model its inputs by position, segments included, which an encoder without
    segments has no place for.
    """
    runtimes = {PREDICT: automm_runtime(run, optimized=False)}
    try:
        return runtimes | {OPTIMIZED: automm_runtime(run, optimized=True)}
    except Exception as error:  # of onnxruntime
        print(f"{OPTIMIZED} fails: {str(error).splitlines()[0]}")
        return runtimes


def main() -> None:
    study = open_study(PROFILE)
    arms = study.get_or_train_arms(*study.profile.main_arms)
    run = onnx_export.choose(arms.distilled)
    automm.import_quietly()
    network, _ = onnx_export.torch_network(run)
    rows = study.data["test"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "student"
        report = onnx_export.export_student(run, folder, study.data)
        for threads in sorted({1, machine.cores()}):
            models = automm_runtimes(run) | latency.runtimes(network, folder, threads)
            _print(threads, [latency.measure(models, rows, threads) for _ in range(ROUNDS)])
    print(report.parity().replace("**", ""))


def _print(threads: int, rounds: list[dict[int, dict[str, float]]]) -> None:
    clock = "processor time" if threads == 1 else "wall-clock time"
    print(f"\n{threads} core(s), {clock}, medians of {len(rounds)} rounds\n")
    print("| milliseconds | " + " | ".join(f"{rows} row(s)" for rows in rounds[0]) + " |")
    print("|---" * (len(rounds[0]) + 1) + "|")
    for name in rounds[0][1]:
        cells = (np.median([one[rows][name] for one in rounds]) for rows in rounds[0])
        print(f"| {RUNTIMES.get(name, name)} | " + " | ".join(f"{value:.2f}" for value in cells) + " |")
    for rows in rounds[0]:
        ratios = [
            min(one[rows][student.MODEL], one[rows][student.QUANTIZED]) / one[rows][TRACED] for one in rounds
        ]
        bar = f", at most {BARS[rows]}" if rows in BARS else ""
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"faster export / PyTorch traced, {rows} row(s): {np.median(ratios):.2f} ({spread}{bar})")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
