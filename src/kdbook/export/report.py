"""What exporting a student changes, and the model card that says so."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import pandas as pd

from kdbook.data import TextData, texts
from kdbook.export import student
from kdbook.pages import descriptions, markup
from kdbook.pages.markup import code, conjunction, count, interval, plain, points
from kdbook.settings.arms import LINEAR, MAIN_ARMS
from kdbook.stats import bootstrap
from kdbook.stats.estimates import Estimate
from kdbook.store.run import Run

AUTOMM = "AutoMM"
EAGER, TRACED = "PyTorch", "PyTorch, traced"
ONNX = {student.MODEL: "ONNX, 32 bits", student.QUANTIZED: "ONNX, 8 bits"}
STORED = {AUTOMM: "AutoMM's predictor", **ONNX}  # what has a size
RUNTIMES = {EAGER: "PyTorch, as in AutoMM", TRACED: "PyTorch, traced", **ONNX}
ALIKE = 0.05  # relative difference of latencies that is not worth a choice

Latencies = dict[int, dict[str, float]]  # median milliseconds of a batch, by its rows and the runtime


@dataclass(frozen=True)
class ExportReport:
    """What exporting a student changes, over all test rows of its study and on the machine that exported it.

    ``different`` counts the rows that the 32-bit model predicts differently from AutoMM, ``distance`` is the
    largest difference of probabilities. ``accuracy`` (AutoMM's), ``rounded_accuracy`` (in 8 bits) and
    ``change`` (their difference) have intervals over items. ``sizes`` are bytes without the tokenizer, which
    all models need, by name of the model. ``latencies`` are those on one core.
    """

    rows: int
    different: int
    distance: float
    accuracy: Estimate
    rounded_accuracy: Estimate
    change: Estimate
    sizes: dict[str, int]
    latencies: Latencies

    def table(self) -> pd.DataFrame:
        """The models by size and accuracy, as a page shows them."""
        exact = self.accuracy.value
        accuracies = {AUTOMM: exact, student.MODEL: exact, student.QUANTIZED: self.rounded_accuracy.value}
        rows = [
            {"model": title, "size (MB)": self.sizes[name] / 1e6, "accuracy": accuracies[name]}
            for name, title in STORED.items()
        ]
        return pd.DataFrame(rows)

    def latency_table(self) -> pd.DataFrame:
        """Milliseconds of a batch on one core in each runtime, a column for each number of rows."""
        columns = {
            count(rows, "row"): {title: by_runtime[name] for name, title in RUNTIMES.items()}
            for rows, by_runtime in self.latencies.items()
        }
        return pd.DataFrame(columns).rename_axis(columns="milliseconds")

    def parity(self) -> str:
        """How far the exported student's predictions are those of AutoMM, as Markdown."""
        same = self.rows - self.different
        change = self.change
        return (
            f"In 32 bits the exported student makes AutoMM's prediction on **{same:,} of {self.rows:,}** "
            f"test rows; the largest difference of a probability is {self.distance:.1e}. In 8 bits its "
            f"accuracy changes by **{points(change)} points** ({interval(change)}, over items)."
        )

    def speed(self) -> str:
        """How large and fast the exported forms are, and which of them is faster here, as a sentence."""
        by_rows = self.latencies
        size = self.sizes[student.QUANTIZED] / self.sizes[student.MODEL]
        best = {rows: min(of[name] for name in ONNX) / of[TRACED] for rows, of in by_rows.items()}
        return (
            f"On one core, the faster export takes {_by_rows(best)} of the time of the same network in "
            f"traced PyTorch. The 8-bit model has {size:.2f} of the size of the 32-bit one and takes "
            f"{_by_rows(self._time_in_8_bits())} of its time. {self.recommendation()}"
        )

    def recommendation(self) -> str:
        """Which of both forms to use on a machine like this one."""
        ratios = list(self._time_in_8_bits().values())
        if all(ratio > 1 - ALIKE for ratio in ratios):
            return "Here 8 bits save space and no time: use 32 bits unless size matters."
        if all(ratio < 1 + ALIKE for ratio in ratios):
            return "Here 8 bits save space and time: use them unless every prediction has to be AutoMM's."
        return "Which form is faster here depends on the number of rows."

    def _time_in_8_bits(self) -> dict[int, float]:
        """Time in 8 bits as a share of that in 32 bits, on one core, by rows."""
        return {
            rows: by_runtime[student.QUANTIZED] / by_runtime[student.MODEL]
            for rows, by_runtime in self.latencies.items()
        }


def _by_rows(ratios: Mapping[int, float]) -> str:
    return conjunction(f"{ratio:.2f} ({count(rows, 'row')})" for rows, ratio in ratios.items())


def model_card(
    run: Run, report: ExportReport, data: TextData, others: Mapping[str, Sequence[Run]], about: str = ""
) -> str:
    """The model card: how the model was made, its accuracy in its study, and how to run it.

    It names no licence: that depends on the data and on the pretrained encoder. Parameters are those of
    :func:`kdbook.export.onnx_export.export_student`.
    """
    from huggingface_hub import ModelCard, ModelCardData

    row = data["test"].iloc[0]
    example = [row[column] for column in texts(data["test"])]
    metadata = ModelCardData(
        language=list(data.languages), pipeline_tag="text-classification", library_name="onnx"
    )
    template = (files(__package__) / "model-card.md").read_text("utf-8")
    card = ModelCard.from_template(
        metadata,
        template_str=template,
        task=descriptions.task(data),
        about=about.replace("**", ""),
        origin=_origin(run, others.get(run.record.spec.arm, ())),
        fence=markup.fence(example),
        arguments=shlex.join(example),
        lists=", ".join(json.dumps([text], ensure_ascii=False) for text in example),
        accuracies=_accuracy_rows(run, report, others),
        rows=" | ".join(f"ms, {count(number, 'row')}" for number in report.latencies),
        rule="---|" * len(report.latencies),
        models=_model_rows(report),
        speed=report.speed(),
        parity=report.parity().replace("**", ""),
        run=run.key,
        versions=", ".join(f"{name} {version}" for name, version in run.record.identity.versions.items()),
    )
    return str(card)


def _origin(run: Run, arm: Sequence[Run]) -> str:
    """How a run was trained, and how it was chosen among those of its arm."""
    spec = run.record.spec
    rows = "all training rows" if spec.rows == "all" else "the labelled training rows"
    how = {
        "labels": f"trained on {rows}, without a teacher",
        "answers": f"trained on {rows}; the predictions of a teacher stand in for missing labels",
        "outputs": f"distilled from a teacher on {rows}",
        "shuffled": f"distilled on {rows} from a teacher's outputs for other rows",
    }
    sentences = [f"This is the run {code(run.name)} of the study: {how[spec.lesson]}."]
    best = max((other.measurements.validation_score for other in arm), default=None)
    if len(arm) > 1 and best == run.measurements.validation_score:
        sentences.append(f"Of the {len(arm)} runs of this arm it has the best validation score.")
    return " ".join(sentences)


def _accuracy_rows(run: Run, report: ExportReport, others: Mapping[str, Sequence[Run]]) -> str:
    estimates = {
        f"{arm}, mean of {len(others[arm])}": bootstrap.mean_score([each.predictions for each in others[arm]])
        for arm in (LINEAR, *MAIN_ARMS)
        if arm in others
    }
    for language, rows in run.predictions.groupby("language", sort=False):
        estimates[f"this model, {plain(str(language))}"] = bootstrap.mean_score([rows])
    estimates["this model, all"] = report.accuracy
    return "\n".join(
        f"| {name} | {estimate.value:.3f} | {estimate.low:.3f} to {estimate.high:.3f} |"
        for name, estimate in estimates.items()
    )


def _model_rows(report: ExportReport) -> str:
    one_core = report.latencies
    return "\n".join(
        f"| {title} | {report.sizes[name] / 1e6:.2f} | "
        + " | ".join(f"{by_runtime[name]:.2f}" for by_runtime in one_core.values())
        + " |"
        for name, title in ONNX.items()
    )
