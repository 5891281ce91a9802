"""A shipped profile's study repeated with everything new; ``bench/replicates.py`` writes the record."""

from pydantic import BaseModel, ConfigDict

from kdbook.settings import records


class Replicate(BaseModel):
    """One repetition: its seed, the accuracy of each arm by test set, and the keys of the runs by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    accuracy: dict[str, dict[str, float]]
    keys: dict[str, str]


def load(profile: str) -> list[Replicate]:
    """The replicates of a profile; none if it was not repeated."""
    return [Replicate(**each) for each in records.read(profile, "replicates") or ()]
