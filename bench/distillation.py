"""What distillation costs against fine-tuning and against stock AutoMM: ``make bench-distillation``."""

import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import torch
from helpers import stock_fit

from kdbook import encoders, study, train
from kdbook.data import INPUTS
from kdbook.teacher_outputs import LOGITS, TeacherOutputs

REPEATS = 3
PROFILE = "embedded"


def main() -> None:
    some = study.open_study(PROFILE)
    teacher = some.run("teacher")
    specs = {arm: some.specs[f"{arm}-0"] for arm in (study.BASELINE, study.DISTILLED)}
    rows, validation, texts = some.data["train"], some.data["validation"], some.data["test"][INPUTS[:2]]
    checkpoint = str(encoders.locate(specs[study.BASELINE].checkpoint).path)
    train._prepare()
    seconds: dict[str, list[float]] = defaultdict(list)
    different: list[int] = []

    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder) / "outputs.safetensors"

        def timed(name: str, call, keep: bool):
            _say(name)
            start = time.perf_counter()
            result = call()
            if keep:
                seconds[name].append(time.perf_counter() - start)
            return result

        def fit(fitter, arm: str, seed: int, some_rows, **more):
            path = tempfile.mkdtemp(dir=folder)
            return fitter(path, some_rows, validation, checkpoint, specs[arm].hyperparameters, seed, **more)

        for repeat in range(-1, REPEATS):  # the first round, on few rows, warms up
            keep, used = repeat >= 0, rows if repeat >= 0 else rows.head(256)
            learner = _load(teacher)
            timed("filling", lambda: TeacherOutputs(outputs).compute(learner._learner, used), keep)
            timed("stock prediction", lambda: learner.predict_proba(used[INPUTS[:2]]), keep)
            asked = {"teacher": teacher.predictor}
            students = [
                timed("stock distilled", lambda: fit(stock_fit, study.DISTILLED, repeat + 1, used, **asked), keep),
                timed("distilled", lambda: fit(train.fit, study.DISTILLED, repeat + 1, used, outputs=outputs, **asked), keep),
            ]
            timed("stock plain", lambda: fit(stock_fit, study.BASELINE, repeat + 1, used), keep)
            timed("plain", lambda: fit(train.fit, study.BASELINE, repeat + 1, used), keep)
            if keep:
                stock, ours = (student.predict(texts) for student in students)
                different.append(int((stock != ours).sum()))
        logits = TeacherOutputs(outputs).read(rows)[1]
        size = outputs.stat().st_size
    difference = float((logits - _online_logits(_load(teacher)._learner, rows)).abs().max())
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    backbones = [some.run(arm).record["parameters"]["backbone"] for arm in (study.TEACHER, study.BASELINE)]
    print(f"{len(rows):,} rows, teacher backbone {backbones[0] / backbones[1]:.1f} times the student's, medians of {REPEATS}\n")
    print("| what | seconds |\n|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.1f} ({', '.join(f'{value:.1f}' for value in seconds[name])}) |")
    print("\n| figure | measured | at most |\n|---|---|---|")
    for numerator, denominator, bar in RATIOS:
        print(f"| {numerator} / {denominator} | {medians[numerator] / medians[denominator]:.2f} | {bar} |")
    print(f"| largest difference of teacher logits, kept against asked in batches of 32 | {difference:.1e} | 1e-4 |")
    print(f"| test examples that distilled and stock distilled students judge differently, by seed | {different} of {len(texts)} | 0 |")
    print(f"\nfile of teacher outputs: {size / 1e6:.1f} MB; at 99,000 pairs of 768 features {99_000 * (768 + 2) * 4 / 1e6:.0f} MB")


RATIOS = (
    ("distilled", "stock distilled", 0.45),
    ("distilled", "plain", 1.15),
    ("plain", "stock plain", 0.75),
    ("filling", "stock prediction", 1.0),
)


def _load(run):
    from autogluon.multimodal import MultiModalPredictor

    predictor = MultiModalPredictor.load(str(run.predictor), verbosity=0)
    predictor.set_verbosity(0)
    return predictor


def _online_logits(learner, rows) -> torch.Tensor:
    """What AutoMM's own step would see: unsorted batches of 32."""
    from autogluon.multimodal.data.datamodule import BaseDataModule
    from autogluon.multimodal.models.utils import run_model

    module = BaseDataModule(learner._df_preprocessor, learner._data_processors, 32, num_workers=0, predict_data=rows)
    module.setup("predict")
    model = learner._model.eval()
    with torch.inference_mode():
        return torch.cat([run_model(model, batch)[model.prefix][LOGITS] for batch in module.predict_dataloader()])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
