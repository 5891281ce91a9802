"""Estimates of what a study takes: runs, hours, memory, disk. Nothing is trained or downloaded.

Where the store has runs of an arm, their measured times count. Elsewhere hours are estimated from the number
of operations: two for each parameter and token in a forward pass, three times as many in training (Kaplan et
al. 2020, "Scaling laws for neural language models"), on hardware that reaches a share of its peak, and not
less than what AutoMM needs around a step. Memory is that of weights, gradients and Adam's averages, and of
activations (Korthikanti et al. 2023, "Reducing activation recomputation in large transformer models").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from kdbook.data import UNLABELLED, load, pawsx
from kdbook.encoders import hub_configs
from kdbook.settings.arms import TEACHER
from kdbook.settings.automm import MAX_TEXT_LEN, number
from kdbook.settings.data import Data
from kdbook.settings.profile import Profile
from kdbook.store.run import RunSpec
from kdbook.study.status import runs_of_arm
from kdbook.study.study import Study
from kdbook.training.measure import parameter_counts

TOKENS_PER_TEXT = 30  # of PAWS-X, by multilingual tokenizers; a rehearsal counts them
UTILIZATION = 0.3  # share of the peak that training of encoders of this size tends to reach
SECONDS_AROUND_A_STEP = 0.015
BYTES_PER_FLOAT = 4
COPIES_PER_WEIGHT = 4  # weights, gradients, and two averages of Adam
GIGA = 1e9
GPU_COUNTS = (1, 2, 4, 8)
MAX_EPOCHS = "optim.max_epochs"
BATCH_SIZE = "env.per_gpu_batch_size"

# Peak floating-point operations of 32 bits per second, from the maker's data sheets
GPUS = {"T4": 8.1e12, "L4": 30.3e12, "A100": 19.5e12, "H100": 67e12}


@dataclass(frozen=True)
class EncoderSize:
    """Size of a model: parameters in total and without embeddings, layers, width, attention heads."""

    parameters: int
    backbone: int
    layers: int
    width: int
    heads: int

    def operations(self, rows: int, tokens: int) -> float:
        """Floating-point operations of a forward pass over ``rows`` rows of ``tokens`` tokens."""
        return rows * tokens * (2.0 * self.backbone + 4.0 * tokens * self.width * self.layers)

    def memory(self, batch: int, tokens: int) -> float:
        """Bytes that training in 32 bits takes."""
        attention = 5 * self.heads * tokens / self.width
        activations = 2.0 * self.layers * tokens * batch * self.width * (34 + attention)
        return COPIES_PER_WEIGHT * BYTES_PER_FLOAT * self.parameters + activations


@dataclass(frozen=True)
class ArmEstimate:
    """The runs of one arm: how many, hours of each, whether those were measured, GB of memory and disk of
    each.
    """

    name: str
    runs: int
    hours: float
    measured: bool
    memory: float
    disk: float


@dataclass(frozen=True)
class StudyEstimate:
    """What a study takes on one kind of GPU; ``hours_by_gpus`` is the time from the first run to the last."""

    profile: str
    gpu: str
    arms: Sequence[ArmEstimate]
    hours_by_gpus: Mapping[int, float]

    @property
    def runs(self) -> int:
        """Number of runs."""
        return sum(arm.runs for arm in self.arms)

    @property
    def hours(self) -> float:
        """Hours of one GPU."""
        return sum(arm.runs * arm.hours for arm in self.arms)

    @property
    def disk(self) -> float:
        """GB on disk."""
        return sum(arm.runs * arm.disk for arm in self.arms)


def estimate(study: Study, gpu: str, tokens_per_text: float = TOKENS_PER_TEXT) -> StudyEstimate:
    """What a study takes on a GPU of :data:`GPUS`."""
    arms = arm_estimates(study, GPUS[gpu], tokens_per_text)
    hours = {count: wall_hours(study.profile, arms, count) for count in GPU_COUNTS}
    return StudyEstimate(study.profile.name, gpu, arms, hours)


def size_of(checkpoint: str) -> EncoderSize:
    """The size of a checkpoint, from its configuration alone."""
    import torch
    from transformers import AutoModel

    config = hub_configs.configuration(checkpoint)
    with torch.device("meta"):  # no memory is allocated
        counts = parameter_counts(AutoModel.from_config(config))
    return EncoderSize(
        counts.total,
        counts.backbone,
        config.num_hidden_layers,
        config.hidden_size,
        config.num_attention_heads,
    )


def rows_per_split(settings: Data) -> dict[str, int]:
    """Number of rows of each split.

    Those of PAWS-X, and of what is in its layout, are assumed to be known.
    """
    if settings.task != "paraphrase":
        data = load(settings)
        return {split: len(rows) for split, rows in data.splits.items()}
    items = {
        "train": settings.train_items or pawsx.ITEMS["train"],
        "validation": settings.validation_items or pawsx.ITEMS["validation"],
        "test": settings.test_items or pawsx.ITEMS["test"],
    }
    labelled = settings.labelled_items or items["train"]
    trained_languages = len(settings.languages) - len(settings.languages_without_labels)
    rows = {
        "train": labelled * trained_languages,
        "validation": items["validation"] * trained_languages,
        "test": items["test"] * len(settings.languages),
    }
    if settings.has_unlabelled_rows:
        most = (settings.unlabelled_items or items["train"]) * len(settings.languages)
        rows[UNLABELLED] = min(most, items["train"] * len(settings.languages) - rows["train"])
    return rows


def train_rows(spec: RunSpec, rows: Mapping[str, int]) -> int:
    """Number of rows that a run trains on, of those of each split."""
    return rows["train"] + (rows.get(UNLABELLED, 0) if spec.rows == "all" else 0)


def arm_estimates(study: Study, peak: float, tokens_per_text: float) -> list[ArmEstimate]:
    """What each arm took where it was measured, otherwise what it takes on a GPU with this peak (operations
    per second).
    """
    rows = rows_per_split(study.profile.data)
    estimates = []
    sizes: dict[str, EncoderSize] = {}
    for name in (TEACHER, *study.profile.students):
        specs = [spec for spec in study.specs.values() if spec.arm == name]
        checkpoint = specs[0].checkpoint
        size = sizes.get(checkpoint) or size_of(checkpoint)
        sizes[checkpoint] = size
        measured = [run.measurements.seconds for run in runs_of_arm(study.store, study.profile.name, name)]
        seconds = (
            sum(measured) / len(measured)
            if measured
            else _seconds(specs[0], rows, size, peak, tokens_per_text)
        )
        memory = size.memory(*batch_and_tokens(specs[0].hyperparameters, tokens_per_text)) / GIGA
        disk = BYTES_PER_FLOAT * size.parameters / GIGA
        estimates.append(ArmEstimate(name, len(specs), seconds / 3600, bool(measured), memory, disk))
    return estimates


def _seconds(
    spec: RunSpec, rows: Mapping[str, int], size: EncoderSize, peak: float, tokens_per_text: float
) -> float:
    """Seconds for training, selection of the epoch, predictions, and for a teacher its outputs on the
    training rows.
    """
    batch, tokens = batch_and_tokens(spec.hyperparameters, tokens_per_text)
    epochs = number(spec.hyperparameters, MAX_EPOCHS)
    step = max(3 * size.operations(batch, tokens) / (peak * UTILIZATION), SECONDS_AROUND_A_STEP)
    taught = rows["train"] + rows.get(UNLABELLED, 0) if spec.arm == TEACHER else 0
    predicted = (epochs + 1) * rows["validation"] + rows["test"] + taught
    return steps(spec, train_rows(spec, rows)) * step + size.operations(predicted, tokens) / (
        peak * UTILIZATION
    )


def steps(spec: RunSpec, rows: int) -> float:
    """Batches of a run on one GPU."""
    return number(spec.hyperparameters, MAX_EPOCHS) * rows / number(spec.hyperparameters, BATCH_SIZE)


def batch_and_tokens(hyperparameters: Mapping[str, JsonValue], tokens_per_text: float) -> tuple[int, int]:
    """Rows of a batch on one GPU, and tokens of a pair of texts with its three marks."""
    tokens = min(number(hyperparameters, MAX_TEXT_LEN), 2 * tokens_per_text + 3)
    return number(hyperparameters, BATCH_SIZE), int(tokens)


def side_by_side(profile: Profile, gpus: int) -> tuple[int, int]:
    """How many teachers, and how many students, the profile lets run at once on this number of GPUs.

    At least one.
    """
    teachers, students = (int(gpus / (model.gpus or 1)) for model in (profile.teacher, profile.student))
    return max(1, teachers), max(1, students)


def wall_hours(profile: Profile, arms: Sequence[ArmEstimate], gpus: int) -> float:
    """Hours from the first run to the last on this number of GPUs, students after the teachers.

    Runs that share a GPU are assumed to take their share of its time each.
    """
    hours = 0.0
    for is_teacher in (True, False):
        group = [arm for arm in arms if (arm.name == TEACHER) is is_teacher]
        shared = sum(arm.runs * arm.hours for arm in group) / gpus
        hours += max(shared, *(arm.hours for arm in group))
    return hours
