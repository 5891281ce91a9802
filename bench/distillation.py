"""What distillation costs against fine-tuning and against stock AutoMM: ``make bench-distillation``."""

import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from helpers import fit_settings, stock_fit

from kdbook import open_study
from kdbook.settings import arms
from kdbook.study.study import Study
from kdbook.training import automm
from kdbook.training.fit import fit
from kdbook.training.lessons import with_hidden_labels
from kdbook.training.teacher_outputs import LOGITS, OutputFile, compute

REPEATS = 3
WARM_UP_ROWS = 256
PROFILE = "embedded"


class Bench:
    """All arms on the same rows, interleaved; the seconds of each, and how the students of a seed judge the test pairs."""

    def __init__(self, some: Study, folder: str) -> None:
        self.study, self.folder = some, folder
        self.teacher = some.get_or_train(arms.TEACHER)
        self.cache = OutputFile(Path(folder) / "outputs.safetensors")
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.different: list[int] = []

    def round(self, seed: int, rows: pd.DataFrame) -> None:
        """Every arm once."""
        predictor = _load(self.teacher)
        self.timed("filling", self.fill, predictor._learner, rows)
        self.timed("stock prediction", predictor.predict_proba, rows[["sentence1", "sentence2"]])
        teaching = {"teacher": self.teacher.predictor, "outputs": self.cache.read(rows)}
        stock = self.timed("stock distilled", self.fit, stock_fit, arms.DISTILLED, seed, rows, **teaching)
        ours = self.timed("distilled", self.fit, fit, arms.DISTILLED, seed, rows, **teaching)
        self.timed("stock plain", self.fit, stock_fit, arms.BASELINE, seed, rows)
        self.timed("plain", self.fit, fit, arms.BASELINE, seed, rows)
        texts = self.study.data["test"][["sentence1", "sentence2"]]
        self.different.append(int((stock.predict(texts) != ours.predict(texts)).sum()))

    def timed(self, name: str, call: Callable, *args: Any, **kwargs: Any) -> Any:
        print(name, file=sys.stderr, flush=True)
        start = time.perf_counter()
        result = call(*args, **kwargs)
        self.seconds[name].append(time.perf_counter() - start)
        return result

    def fit(self, fitter: Callable, arm: str, seed: int, rows: pd.DataFrame, **teaching: Any) -> Any:
        settings = fit_settings(self.study, f"{arm}-0", seed)
        path = Path(tempfile.mkdtemp(dir=self.folder))
        return fitter(path, rows, self.study.data["validation"], settings, **teaching)

    def fill(self, teacher: Any, rows: pd.DataFrame) -> None:
        self.cache.keep(rows, compute(teacher, rows))

    def forget(self) -> None:
        self.seconds.clear()
        self.different.clear()


def main() -> None:
    some = open_study(PROFILE)
    rows = with_hidden_labels(some.data)
    automm.import_quietly()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(some, folder)
        bench.round(0, rows.head(WARM_UP_ROWS))
        bench.forget()
        for seed in range(1, REPEATS + 1):
            bench.round(seed, rows)
        kept, size = bench.cache.read(rows), bench.cache.path.stat().st_size
    assert kept
    difference = float((kept.logits - _online_logits(_load(bench.teacher)._learner, rows)).abs().max())
    backbones = [
        some.get_or_train(arm).measurements.parameters.backbone for arm in (arms.TEACHER, arms.BASELINE)
    ]
    medians = {name: statistics.median(values) for name, values in bench.seconds.items()}
    print(
        f"{len(rows):,} rows, teacher backbone {backbones[0] / backbones[1]:.1f} times the student's, medians of {REPEATS}\n"
    )
    print("| what | seconds |\n|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.1f} ({', '.join(f'{value:.1f}' for value in bench.seconds[name])}) |")
    print("\n| figure | measured | at most |\n|---|---|---|")
    for numerator, denominator, bar in RATIOS:
        print(f"| {numerator} / {denominator} | {medians[numerator] / medians[denominator]:.2f} | {bar} |")
    print(
        f"| largest difference of teacher logits, kept against asked in batches of 32 | {difference:.1e} | 1e-4 |"
    )
    print(
        f"| test pairs that the distilled and the stock distilled student judge differently, by seed | {bench.different} | 0 |"
    )
    full = 99_000 * (768 + 2) * 4  # bytes: pairs of pawsx, features and logits of its teacher, fp32
    print(
        f"\nfile of teacher outputs: {size / 1e6:.1f} MB, for 99,000 pairs and 768 features {full / 1e6:.0f} MB"
    )


RATIOS = (
    ("distilled", "stock distilled", 0.45),
    ("distilled", "plain", 1.15),
    ("plain", "stock plain", 0.75),
    ("filling", "stock prediction", 1.0),
)


def _load(run):
    predictor = automm.load(run.predictor)
    predictor.set_verbosity(0)
    return predictor


def _online_logits(learner, rows) -> torch.Tensor:
    """What AutoMM's own step would see: unsorted batches of 32."""
    from autogluon.multimodal.data.datamodule import BaseDataModule
    from autogluon.multimodal.models.utils import run_model

    module = BaseDataModule(
        learner._df_preprocessor, learner._data_processors, 32, num_workers=0, predict_data=rows
    )
    module.setup("predict")
    model = learner._model.eval()
    with torch.inference_mode():
        return torch.cat(
            [run_model(model, batch)[model.prefix][LOGITS] for batch in module.predict_dataloader()]
        )


if __name__ == "__main__":
    main()
