"""What exporting a student changes, and the model card that says so."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import pandas as pd

from kdbook.analysis import bootstrap, descriptions, markup
from kdbook.analysis.estimates import Estimate
from kdbook.analysis.markup import plain
from kdbook.analysis.phrases import interval, points, times
from kdbook.data import texts
from kdbook.export import student
from kdbook.store.run import Run
from kdbook.study.arms import Arms
from kdbook.study.study import Study

AUTOMM = "AutoMM"
TITLES = {AUTOMM: "AutoMM's predictor", student.MODEL: "ONNX, 32 bits", student.QUANTIZED: "ONNX, 8 bits"}


@dataclass(frozen=True)
class ExportReport:
    """What exporting a student changes, over all test rows of its study and on the machine that exported it.

    ``different`` counts the rows that the 32-bit model predicts differently from AutoMM, ``distance`` is the
    largest difference of probabilities. ``accuracy`` (AutoMM's), ``rounded_accuracy`` (in 8 bits) and
    ``change`` (their difference) have intervals over items. ``sizes`` are bytes without the tokenizer, which
    all models need; ``latencies`` are median milliseconds from text to probabilities, one row at a time on
    one core. Both are by name of the model.
    """

    rows: int
    different: int
    distance: float
    accuracy: Estimate
    rounded_accuracy: Estimate
    change: Estimate
    sizes: dict[str, int]
    latencies: dict[str, float]

    def table(self) -> pd.DataFrame:
        """The models by size, latency and accuracy, as a page shows them."""
        exact = self.accuracy.value
        accuracies = {AUTOMM: exact, student.MODEL: exact, student.QUANTIZED: self.rounded_accuracy.value}
        rows = [
            {
                "model": title,
                "size (MB)": self.sizes[name] / 1e6,
                "one row (ms)": self.latencies[name],
                "accuracy": accuracies[name],
            }
            for name, title in TITLES.items()
        ]
        return pd.DataFrame(rows)

    def parity(self) -> str:
        """How far the exported student's predictions are those of AutoMM, as Markdown."""
        same = self.rows - self.different
        change = self.change
        most = max(0.0, -100 * change.low)
        return (
            f"In 32 bits the exported student makes AutoMM's prediction on **{same:,} of {self.rows:,}** "
            f"test rows; the largest difference of a probability is {self.distance:.1e}. In 8 bits its "
            f"accuracy changes by **{points(change)} points** ({interval(change)}, over items): it loses "
            f"at most {most:.1f} points."
        )

    def speed(self) -> str:
        """How small and fast the exported student is, as a sentence."""
        smallest = student.QUANTIZED
        size = self.sizes[smallest] / self.sizes[AUTOMM]
        speed = self.latencies[AUTOMM] / self.latencies[smallest]
        return (
            f"The 8-bit model has {size:.2f} of the size of AutoMM's predictor and processes one row "
            f"{times(speed)} as fast as AutoMM's tokenizer and network, not counting the start of "
            "AutoMM's trainer."
        )


def model_card(study: Study, arms: Arms, run: Run, report: ExportReport) -> str:
    """The model card: how the student was made, its accuracy in this study, and how to run it."""
    from huggingface_hub import ModelCard, ModelCardData

    data = study.data
    row = data["test"].iloc[0]
    example = [row[column] for column in texts(data["test"])]
    metadata = ModelCardData(
        language=list(study.profile.data.languages),
        license="apache-2.0",
        pipeline_tag="text-classification",
        library_name="onnx",
    )
    template = (files(__package__) / "model-card.md").read_text("utf-8")
    card = ModelCard.from_template(
        metadata,
        template_str=template,
        task=descriptions.task(data),
        about=descriptions.about(study).replace("**", ""),
        fence=markup.fence(example),
        arguments=shlex.join(example),
        lists=", ".join(json.dumps([text], ensure_ascii=False) for text in example),
        accuracies=_accuracy_rows(arms, run, report),
        models=_model_rows(report),
        parity=report.parity().replace("**", ""),
        run=run.key,
        versions=", ".join(f"{name} {version}" for name, version in run.record.identity.versions.items()),
    )
    return str(card)


def _accuracy_rows(arms: Arms, run: Run, report: ExportReport) -> str:
    estimates = {f"{arm}, mean of {len(arms[arm])}": _mean_accuracy(arms[arm]) for arm in arms.main}
    for language, rows in run.predictions.groupby("language", sort=False):
        estimates[f"this student, {plain(str(language))}"] = bootstrap.mean_score([rows])
    estimates["this student, all"] = report.accuracy
    return "\n".join(
        f"| {name} | {estimate.value:.3f} | {estimate.low:.3f} to {estimate.high:.3f} |"
        for name, estimate in estimates.items()
    )


def _mean_accuracy(runs: Sequence[Run]) -> Estimate:
    return bootstrap.mean_score([run.predictions for run in runs])


def _model_rows(report: ExportReport) -> str:
    return "\n".join(
        f"| {TITLES[name]} | {size / 1e6:.2f} | {report.latencies[name]:.2f} |"
        for name, size in report.sizes.items()
    )
