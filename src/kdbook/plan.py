"""What a study will take: runs, hours, memory, disk, and what can run side by side. Nothing is trained or downloaded.

Where the store has runs of an arm, their measured times count. Elsewhere hours are estimated from the number of operations: two for
each parameter and token in a forward pass, three times as many in training (Kaplan et al. 2020, "Scaling laws for neural language
models"), on hardware that reaches a share of its peak, and not less than what AutoMM needs around a step. Memory is that of weights,
gradients and Adam's averages, and of activations (Korthikanti et al. 2023, "Reducing activation recomputation in large transformer
models").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdbook import data, profile, study, train
from kdbook.data import pawsx
from kdbook.encoders import published
from kdbook.profile import TEACHER, Profile
from kdbook.study import RunSpec

TOKENS_A_TEXT = 30  # of PAWS-X, by tokenizers of a hundred languages; a rehearsal counts them
UTILIZATION = 0.3  # share of the peak that training of encoders of this size tends to reach
SECONDS_AROUND_A_STEP = 0.015
BYTES = 4  # of a number of 32 bits
STATES = 4  # weights, gradients, and two averages of Adam
GIGA = 1e9
EPOCHS, BATCH, LONGEST = 20, 8, 512  # AutoMM's defaults


# Floating-point operations of 32 bits a second at the peak, figures of the maker
GPUS = {"T4": 8.1e12, "L4": 30.3e12, "A100": 19.5e12, "H100": 67e12}


@dataclass(frozen=True)
class Shape:
    """Size of a model: parameters in all and without embeddings, layers, width, attention heads."""

    parameters: int
    backbone: int
    layers: int
    width: int
    heads: int

    def operations(self, rows: int, tokens: int) -> float:
        """Floating-point operations of a forward pass over some rows of so many tokens."""
        return rows * tokens * (2.0 * self.backbone + 4.0 * tokens * self.width * self.layers)

    def memory(self, batch: int, tokens: int) -> float:
        """Bytes that training in 32 bits takes."""
        activations = 2.0 * self.layers * tokens * batch * self.width * (34 + 5 * self.heads * tokens / self.width)
        return STATES * BYTES * self.parameters + activations


@dataclass(frozen=True)
class Arm:
    """The runs of one arm: how many, hours of each, whether those were measured, and GB of memory and disk of each."""

    name: str
    runs: int
    hours: float
    measured: bool
    memory: float
    disk: float


def shape_of(checkpoint: str) -> Shape:
    """The shape of a checkpoint, from its configuration alone."""
    import torch
    from transformers import AutoModel

    config = published.configuration(checkpoint)
    with torch.device("meta"):  # no memory is taken
        model = AutoModel.from_config(config)
    sizes = {name: weight.numel() for name, weight in model.named_parameters()}
    embeddings = sum(size for name, size in sizes.items() if train.EMBEDDINGS in name)
    total = sum(sizes.values())
    return Shape(total, total - embeddings, config.num_hidden_layers, config.hidden_size, config.num_attention_heads)


def rows_of(settings: profile.Data) -> dict[str, int]:
    """Number of rows of each split; those of PAWS-X, and of what is in its layout, are taken as known."""
    if settings.columns:
        loaded = data.load(settings)
        return {split: len(loaded[split]) for split in data.SPLITS}
    seen = len(settings.languages) - len(settings.unseen)
    rows = {}
    for split, there in pawsx.ITEMS.items():
        items = getattr(settings, f"{split}_items") or there
        rows[split] = items * (len(settings.languages) if split == "test" else seen)
    return rows


def arms(opened: study.Study, peak: float, tokens_a_text: float = TOKENS_A_TEXT) -> list[Arm]:
    """What each arm of a study took where it was measured, and else takes on a GPU with this peak (see :data:`GPUS`)."""
    rows = rows_of(opened.profile.data)
    by_arm: dict[str, list[RunSpec]] = {}
    for spec in opened.specs.values():
        by_arm.setdefault(spec.arm, []).append(spec)
    shapes = {checkpoint: shape_of(checkpoint) for checkpoint in {specs[0].checkpoint for specs in by_arm.values()}}
    found = []
    for name, specs in by_arm.items():
        shape, (batch, tokens) = shapes[specs[0].checkpoint], batch_and_tokens(specs[0].hyperparameters, tokens_a_text)
        measured = [run.record["seconds"] for run in opened.like(name)]
        seconds = sum(measured) / len(measured) if measured else _seconds(specs[0], rows, shape, peak, tokens_a_text)
        memory, disk = shape.memory(batch, tokens) / GIGA, BYTES * shape.parameters / GIGA
        found.append(Arm(name, len(specs), seconds / 3600, bool(measured), memory, disk))
    return found


def _seconds(spec: RunSpec, rows: Mapping[str, int], shape: Shape, peak: float, tokens_a_text: float) -> float:
    """Training, the choice of the epoch, predictions, and for a teacher the questions about its training rows."""
    batch, tokens = batch_and_tokens(spec.hyperparameters, tokens_a_text)
    epochs = spec.hyperparameters.get("optim.max_epochs", EPOCHS)
    a_step = max(3 * shape.operations(batch, tokens) / (peak * UTILIZATION), SECONDS_AROUND_A_STEP)
    looked_at = (epochs + 1) * rows["validation"] + rows["test"] + (rows["train"] if spec.arm == TEACHER else 0)
    return steps(spec, rows["train"]) * a_step + shape.operations(looked_at, tokens) / (peak * UTILIZATION)


def steps(spec: RunSpec, rows: int) -> float:
    """Batches of a run on one GPU."""
    return spec.hyperparameters.get("optim.max_epochs", EPOCHS) * rows / spec.hyperparameters.get("env.per_gpu_batch_size", BATCH)


def batch_and_tokens(hyperparameters: Mapping[str, Any], tokens_a_text: float) -> tuple[int, int]:
    """Rows of a batch on one GPU, and tokens of a pair of texts."""
    longest = hyperparameters.get("model.hf_text.max_text_len", LONGEST)
    return hyperparameters.get("env.per_gpu_batch_size", BATCH), int(min(longest, 2 * tokens_a_text + 3))


def side_by_side(settings: Profile, gpus: int) -> tuple[int, int]:
    """How many teachers, and how many students, the profile lets run at once on so many GPUs; one where it says nothing."""
    teachers, students = (int(gpus / (model.gpus or 1)) for model in (settings.teacher, settings.student))
    return max(1, teachers), max(1, students)


def wall_hours(settings: Profile, found: list[Arm], gpus: int) -> float:
    """Hours from the first run to the last on so many GPUs, students after the teachers.

    Runs that share a GPU are taken to take their share of its time each.
    """
    teaching = sum(arm.runs * arm.hours for arm in found if arm.name == TEACHER)
    learning = sum(arm.runs * arm.hours for arm in found if arm.name != TEACHER)
    longest = max(arm.hours for arm in found if arm.name == TEACHER), max(arm.hours for arm in found if arm.name != TEACHER)
    return max(teaching / gpus, longest[0]) + max(learning / gpus, longest[1])
