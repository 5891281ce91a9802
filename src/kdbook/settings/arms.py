"""The arms of a study: the main ones by name, and how a variation differs from the arm that it varies."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, Strict, field_validator, model_validator

from kdbook.settings import automm
from kdbook.settings.data import ALL, Seed, Table
from kdbook.settings.names import Name, refuse_unprintable

TEACHER = "teacher"
BASELINE = "baseline"
DISTILLED = "distilled"
TRANSFER = "transfer"  # distilled on rows without labels as well
MAIN_ARMS = (TEACHER, BASELINE, DISTILLED, TRANSFER)
PSEUDO_LABELS = "pseudo-labels"  # the teacher's predicted classes for missing labels, and nothing else of it
LINEAR = "linear"  # TF-IDF and logistic regression, on the labels of the baseline
LINEAR_TAUGHT = "linear-taught"  # the same on all rows, with the teacher's predictions for missing labels
FLOORS = (LINEAR, LINEAR_TAUGHT)

Hyperparameters = Annotated[automm.Settings, BeforeValidator(automm.flatten)]
Rows = Literal["labelled", "all"]
Metric = Literal["accuracy", "balanced accuracy", "macro-F1"]
Lesson = Literal["labels", "answers", "outputs", "shuffled"]
DISTILLING: tuple[Lesson, ...] = ("outputs", "shuffled")  # lessons with a teacher's outputs in the loss


class Model(Table):
    """A pretrained encoder (hub id, local directory, or ``embedded:NAME``) and AutoMM settings for
    fine-tuning it.

    ``gpus`` is the share of a GPU that a run takes on a cluster, at most a whole one.
    """

    checkpoint: Name
    seeds: tuple[Seed, ...] = Field(min_length=1)
    hyperparameters: Hyperparameters = Field({})
    gpus: Annotated[float, Strict(), Field(ge=0, le=1, allow_inf_nan=False)] = 0.0

    @field_validator("seeds")
    @classmethod
    def _seeds_are_distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(
                f"{max(seeds, key=seeds.count)} occurs twice, and would train the same run twice"
            )
        return seeds


class Variation(Table):
    """A student trained in another way.

    ``rows`` are the labelled training rows, or all of them. ``lesson`` is what is learned about a row:

    * ``"outputs"``: distillation, as AutoMM does it; in rows without a label, the teacher's prediction stands
      for it;
    * ``"shuffled"``: the same with the outputs for another row for which the teacher predicts the same class;
    * ``"answers"``: the label, or the teacher's prediction where there is none (pseudo-labels); nothing else
      of the teacher;
    * ``"labels"``: the label alone; in rows without one, the label that was hidden.

    ``teacher`` is the study's, or the baseline with the same seed (``"self"``). ``against`` names the arm
    that this one varies; by default ``transfer`` if it trains on all rows, else ``distilled`` or
    ``baseline``.
    """

    title: Annotated[str, AfterValidator(refuse_unprintable)]
    rows: Rows = "labelled"
    lesson: Lesson = "outputs"
    teacher: Literal["own", "self"] = "own"
    against: str | None = None
    hyperparameters: Hyperparameters = Field({})

    @model_validator(mode="after")
    def _labels_need_no_teacher(self) -> Self:
        if self.lesson == "labels" and self.teacher == "self":
            raise ValueError("lesson = 'labels' has no teacher; leave teacher out")
        return self

    @property
    def distils(self) -> bool:
        """Whether a teacher's outputs are part of the loss."""
        return self.lesson in DISTILLING

    @property
    def varied_arm(self) -> str:
        """The name of the arm that this one varies."""
        if self.against:
            return self.against
        if self.rows == "all":
            return TRANSFER
        return DISTILLED if self.distils else BASELINE


MAIN_STUDENTS = {
    BASELINE: Variation(title="", lesson="labels"),
    DISTILLED: Variation(title=""),
    TRANSFER: Variation(title="", rows="all"),
}


class PrimaryComparison(Table):
    """The question of a study, stated before any run: the score of ``arm`` minus that of ``against`` on
    ``test``.

    By default ``arm`` is ``transfer`` where the study has rows without labels, else ``distilled``. ``metric``
    also selects the best epoch of every fit. ``margin`` is the largest difference that does not matter, in
    points; without one, nothing is said to be equivalent.
    """

    arm: str = ""
    against: str = BASELINE
    test: str = ALL
    metric: Metric = "accuracy"
    margin: Annotated[float, Strict(), Field(gt=0, lt=100, allow_inf_nan=False)] | None = None

    @property
    def negligible(self) -> float | None:
        """The margin as a difference of scores."""
        return None if self.margin is None else self.margin / 100
