"""How the settings of a shipped profile were chosen; ``bench/tuning.py`` writes the record."""

from pydantic import BaseModel, ConfigDict

from kdbook.settings import records


class Trial(BaseModel):
    """Settings of one arm, and the accuracy of a run with them on items that are in no split of the study."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: str
    learning_rate: float
    batch_size: int
    epochs: int
    accuracy: float

    @property
    def settings(self) -> dict[str, float | int]:
        """The settings as AutoMM takes them."""
        return {
            "optim.lr": self.learning_rate,
            "env.batch_size": self.batch_size,
            "env.per_gpu_batch_size": self.batch_size,
            "optim.max_epochs": self.epochs,
        }


def trials(profile: str) -> list[Trial]:
    """The trials of a profile, none if its settings were not tuned."""
    return [Trial(**trial) for trial in records.read(profile, "tuning") or ()]


def best(results: list[Trial], arm: str) -> Trial:
    """The trial of an arm with the highest accuracy."""
    return max((trial for trial in results if trial.arm == arm), key=lambda trial: trial.accuracy)
