"""What a run is: its record, its files, and the manifest that commits it.

A finished run is a directory named by its key, a hash of its :class:`RunIdentity`. A manifest with the hash
of every file commits it; a run whose files differ from its manifest is damaged and is never read.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError

from kdbook.errors import KdbookError
from kdbook.hashing import digest_of
from kdbook.settings.arms import FLOORS, Lesson, Metric, Rows

if TYPE_CHECKING:
    import pandas as pd  # imported where tables are read: a build that finds everything current needs none

RECORD = "run.json"
PREDICTIONS = "predictions.parquet"
TRAIN_PREDICTIONS = "train_predictions.parquet"
HISTORY = "history.parquet"
PREDICTOR = "predictor"
MANIFEST = "manifest.json"
PROGRESS = "progress.json"
RESULTS = (RECORD, PREDICTIONS, TRAIN_PREDICTIONS, HISTORY)  # small files, hashed whenever a run is looked up
PREDICTION_COLUMNS = {"id", "language", "label", "prediction", "probability_0", "probability_1"}
PROBABILITY = "probability_"  # of a column of predictions, followed by the number of the class
HISTORY_COLUMNS = {"epoch", "seconds", "train_loss", "validation_score"}
KEY_LENGTH = 20
KEY = re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}")
# What Finder, Windows, NFS and file systems leave in folders; names that begin like the last ones as well.
SYSTEM_FILES = frozenset(
    {".DS_Store", "Thumbs.db", "desktop.ini", "lost+found", ".snapshot", ".snapshots", ".Spotlight-V100"}
)
SYSTEM_PREFIXES = ("._", ".nfs", ".Trash", ".fuse_hidden", ".fseventsd")
MAX_NAME_BYTES = 255
MAX_FOLDERS = 16  # of a file of a run, inside one another

Manifest = dict[str, str]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunSpec(_Record):
    """One run that a study asks for: a teacher, a baseline, a distilled student, or a variation of a student.

    ``paired_teacher`` names the teacher that the profile assigns to the seed of a student, ``teacher`` the
    run that the student learns from, if any. ``rows`` and ``lesson`` are those of
    :class:`kdbook.settings.arms.Variation`; ``metric`` selects the epoch.
    """

    name: str
    arm: str
    seed: int
    checkpoint: str
    hyperparameters: dict[str, JsonValue]
    paired_teacher: str | None = None
    teacher: str | None = None
    rows: Rows = "labelled"
    lesson: Lesson = "labels"
    metric: Metric = "accuracy"
    title: str = ""

    @property
    def is_linear(self) -> bool:
        """Whether the run is a linear model, which has no encoder and needs no AutoMM."""
        return self.arm in FLOORS


class RunIdentity(_Record):
    """Everything that decides the result of a run, by content: no paths, names or times.

    ``data`` is a hash of the rows that the run uses, ``checkpoint`` one of the encoder, ``teacher`` the key
    of the teacher's run, ``code`` the hash of the training code, ``versions`` those of the packages that
    compute.
    """

    data: str
    checkpoint: str
    hyperparameters: dict[str, JsonValue]
    seed: int
    threads: int | None
    teacher: str | None
    rows: Rows
    lesson: Lesson
    metric: Metric
    code: str
    versions: dict[str, str]

    @property
    def key(self) -> str:
        """The name of the run in the store."""
        return key_of(self.model_dump())

    def same_apart_from_versions(self, other: "RunIdentity") -> bool:
        """Whether two runs differ in nothing but the versions of packages."""
        return self.model_copy(update={"versions": other.versions}) == other


class ParameterCounts(_Record):
    """Numbers of parameters; the backbone is the model without its embeddings."""

    total: int
    embeddings: int
    backbone: int


class Milliseconds(_Record):
    """Median and 95th percentile of a duration, in milliseconds."""

    median: float
    p95: float


class BatchLatency(_Record):
    """How long a batch takes: from text to tensors, and from tensors to logits."""

    tokenize: Milliseconds
    forward: Milliseconds

    @property
    def median(self) -> float:
        """Milliseconds from text to logits."""
        return self.tokenize.median + self.forward.median


class Hardware(_Record):
    """The machine, in words that do not identify it."""

    processor: str
    cores: int | None
    threads: int
    gpu: str | None
    system: str


class Measurements(_Record):
    """What was measured beside a result; none of it is part of the run's identity.

    ``fit_seconds`` covers training and the selection of the best epoch, earlier attempts included;
    ``predict_seconds``, by language and for ``all``, follow a warm-up and include the start of AutoMM's
    trainer; ``seconds`` is all of this. ``peak_bytes`` is the peak memory during the fit, libraries included;
    ``latency`` is by batch size; ``validation_score`` is that of the run's metric.

    ``processor_seconds`` is the processor time of the fit, None on a GPU or after an interruption;
    ``teacher_seconds`` is the part of it in which outputs of the teacher were computed, or read where they
    were already kept.
    """

    fit_seconds: float
    processor_seconds: float | None = None
    teacher_seconds: float | None = None
    predict_seconds: dict[str, float]
    seconds: float
    interruptions: int
    parameters: ParameterCounts
    predictor_bytes: int
    peak_bytes: int
    latency: dict[int, BatchLatency] | None
    validation_score: float
    hardware: Hardware


class RunRecord(_Record):
    """What is known about a finished run.

    ``source`` is the data source that the profile named. ``code`` maps the qualified name of every
    definition of the training code to its hash, to explain later why a run is outdated.
    """

    name: str
    profile: str
    source: str
    spec: RunSpec
    identity: RunIdentity
    code: dict[str, str]
    measurements: Measurements


class FitCheckpoint(_Record):
    """How far an interrupted fit came: epochs done and planned, and seconds of training."""

    epoch: float
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Run:
    """A finished run, read from the store.

    ``download_weights`` fetches the weights of a run that is kept elsewhere; see :mod:`kdbook.store.remote`.
    """

    path: Path
    download_weights: Callable[[], None] | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """The hash of the run's identity."""
        return self.path.name

    @cached_property
    def record(self) -> RunRecord:
        """Identity, measurements and versions."""
        with open(f"{self.path}/{RECORD}", "rb") as file:  # noqa: PTH123  # fast for thousands of runs
            try:
                return RunRecord.model_validate_json(file.read())
            except ValueError as error:
                raise KdbookError(
                    f"{RECORD} of the run {self.key} is not a record of this version of kdbook; set the run "
                    "aside with: kdbook gc"
                ) from error

    @property
    def manifest(self) -> Manifest:
        """Hashes by file name, which commit the run; an OSError or ValueError if it has none."""
        return read_manifest((self.path / MANIFEST).read_text("utf-8"))

    @property
    def name(self) -> str:
        """Arm and seed, such as ``distilled-0``."""
        return self.record.name

    @property
    def seed(self) -> int:
        """The seed of the fit."""
        return self.record.identity.seed

    @property
    def metric(self) -> Metric:
        """The metric of the study, which selected the epoch."""
        return self.record.identity.metric

    @property
    def measurements(self) -> Measurements:
        """What was measured beside the result."""
        return self.record.measurements

    @cached_property
    def predictions(self) -> "pd.DataFrame":
        """A row per test row: ``id``, ``language``, ``label``, ``prediction``, and ``probability_0`` and so
        on by class.
        """
        return self._table(PREDICTIONS)

    @cached_property
    def train_predictions(self) -> "pd.DataFrame":
        """The same for the first items of the training data; their labels may be noisy."""
        return self._table(TRAIN_PREDICTIONS)

    @cached_property
    def history(self) -> "pd.DataFrame":
        """A row per validation during the fit: ``epoch``, ``seconds``, ``train_loss``,
        ``validation_score``.
        """
        return self._table(HISTORY)

    def _table(self, name: str) -> "pd.DataFrame":
        import pandas as pd

        try:
            return pd.read_parquet(self.path / name)
        except FileNotFoundError:
            raise
        except Exception as error:  # of pyarrow and pandas, which share no class
            raise KdbookError(f"{name} of the run {self.key} can't be read as a table") from error

    @property
    def predictor(self) -> Path:
        """Directory for ``MultiModalPredictor.load``."""
        if self.download_weights:
            self.download_weights()
        return self.path / PREDICTOR

    @cached_property
    def bytes(self) -> int:
        """Size of all files."""
        return bytes_of(self.path)

    def has_record(self) -> bool:
        """Whether the record can be read."""
        try:
            return bool(self.record)
        except (OSError, KdbookError):
            return False

    def has_results(self) -> bool:
        """Whether predictions and history can be read as such tables."""
        try:
            tables = [self.predictions, self.train_predictions, self.history]
        except Exception:  # of pyarrow and pandas, which share no class
            return False
        *predictions, history = (set(table.columns) for table in tables)
        return history >= HISTORY_COLUMNS and all(columns >= PREDICTION_COLUMNS for columns in predictions)

    def problems(self, only: Collection[str] | None = None) -> list[str]:
        """How the files differ from the manifest.

        Only the contents of the named files are checked, if any are named.

        Raises
        ------
        KdbookError
            If a file can't be read, as where access is denied; that is not damage.
        """
        try:
            return self._differences(only)
        except OSError as error:
            raise KdbookError(
                f"the run {self.key} can't be read: {error.strerror} ({error.filename})"
            ) from error

    def _differences(self, only: Collection[str] | None) -> list[str]:
        try:
            manifest = self.manifest
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return [f"{MANIFEST} can't be read"]
        present = set(file_names(self.path))
        elsewhere = {name for name in manifest if self.download_weights and name.startswith(f"{PREDICTOR}/")}
        missing = [f"{name} is missing" for name in sorted(manifest.keys() - present - elsewhere)]
        foreign = [f"{name} does not belong to it" for name in sorted(present - manifest.keys())]
        checked = sorted(present & manifest.keys() & set(manifest if only is None else only))
        changed = [f"{name} was changed" for name in checked if hash_of(self.path / name) != manifest[name]]
        return missing + foreign + changed


def key_of(value: object) -> str:
    """A short hash of a value made of JSON types."""
    return digest_of(value)[:KEY_LENGTH]


def hash_of(path: Path) -> str:
    """SHA-256 of a file's content."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:  # an error of reading has no name
        raise OSError(error.errno, error.strerror, str(path)) from error


def read_manifest(text: str) -> Manifest:
    """Hashes by file name.

    Raises
    ------
    ValueError
        If the text is not a manifest, or a name in it is not one inside the run's own directory.
    """
    try:
        manifest = _MANIFEST.validate_json(text)
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"]) from error
    if RECORD not in manifest:
        raise ValueError(f"no {RECORD} in it")
    for name in manifest:
        parts = name.split("/")
        is_inside = not any(part in ("", ".", "..") for part in parts) and "\\" not in name
        is_short = len(parts) <= MAX_FOLDERS and all(len(part.encode()) <= MAX_NAME_BYTES for part in parts)
        if name == MANIFEST or not (is_inside and is_short):
            raise ValueError(f"{name[:60]!r} can't be a file of a run")
    return manifest


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Commit the files of a run."""
    write(directory / MANIFEST, json.dumps(manifest, indent=2))


_MANIFEST = TypeAdapter(Manifest, config=ConfigDict(strict=True))


def file_names(directory: Path) -> Iterator[str]:
    """Names of all files in the directory of a run except its manifest and what the system left."""
    paths = (path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir())
    names = (path.relative_to(directory) for path in paths)
    return (
        name.as_posix() for name in names if not any(map(is_of_system, name.parts)) and str(name) != MANIFEST
    )


def bytes_of(path: Path) -> int:
    """Size of a file, or of all files in a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def is_of_system(name: str) -> bool:
    """Whether a file or folder of this name is one that an operating system leaves in folders."""
    return name in SYSTEM_FILES or name.startswith(SYSTEM_PREFIXES)


def is_key(name: str) -> bool:
    """Whether a name is one that a run can have in a store."""
    return KEY.fullmatch(name) is not None


def write(path: Path, text: str) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
