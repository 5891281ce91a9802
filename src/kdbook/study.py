"""A study: which runs a profile asks for, where they stand in the store, and how the missing ones get there.

Chapters, the command line and downloaded notebooks all go through :func:`open_study` and :meth:`Study.run`, which
reads a run if it is current and trains it if not.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdbook import encoders, profile, source
from kdbook.errors import KdbookError
from kdbook.hyperparameters import Settings
from kdbook.profile import BASELINE, DISTILLED, MAIN_ARMS, TEACHER
from kdbook.progress import Meter
from kdbook.store import Record, Run, Store, hash_of, key_of, open_store

if TYPE_CHECKING:
    from kdbook import data, train

CURRENT, MISSING, OUTDATED, INTERRUPTED, DAMAGED = "current", "missing", "outdated", "interrupted", "damaged"
TRAINING = "kdbook.train.train"  # all code below it enters the key of a run
COMPUTING_PACKAGES = ("autogluon.multimodal", "lightning", "tokenizers", "torch", "transformers")
RECORDED = ("data", "teacher", "shuffled", "checkpoint", "seed", "threads")


@dataclass(frozen=True)
class RunSpec:
    """One run of a study: a teacher, a baseline student, a distilled student, or a variation of one of these."""

    name: str
    arm: str
    seed: int
    checkpoint: str
    hyperparameters: Settings
    teacher: str | None = None
    shuffled: bool = False
    title: str = ""


@dataclass(frozen=True)
class Status:
    """Whether a run is ``current``, ``missing``, ``outdated``, ``interrupted`` or ``damaged``, why, and its key.

    ``seconds`` is what bringing it up to date will take, judged by measured times; 0 if current, None if nothing like it
    was ever measured.
    """

    name: str
    arm: str
    state: str
    reason: str
    key: str
    seconds: float | None


class Study:
    """All runs of a profile, and the store that holds them."""

    def __init__(self, settings: profile.Profile, store: Store) -> None:
        self.profile, self.store = settings, store
        self._checkpoints: dict[str, encoders.Checkpoint] = {}

    @cached_property
    def data(self) -> "data.TextData":
        """The rows of this study."""
        from kdbook import data  # imports pandas, which a build that finds all current does not need

        return data.load(self.profile.data)

    @cached_property
    def specs(self) -> dict[str, RunSpec]:
        """The runs of this study by name, teachers first."""
        return {spec.name: spec for spec in _specs(self.profile)}

    def describe(self) -> str:
        """What this study is about, in a line of Markdown."""
        kept = self.data.sizes().loc["all"]
        sizes = ", ".join(f"{count:,} {split}" for split, count in kept.items())
        return f"**Profile `{self.profile.name}`.** {self.profile.description}. Data: {_source(self.profile.data)} ({sizes} rows)."

    def arms(self) -> list[str]:
        """The arms of this study: teacher, baseline, distilled, then the ablations."""
        return list(dict.fromkeys(spec.arm for spec in self.specs.values()))

    def run(self, name: str) -> Run:
        """The run of this name, or the first run of the arm of this name; trained now if it is not in the store."""
        return self._bring([self._spec(name)])[0]

    def runs(self, arm: str) -> list[Run]:
        """All runs of an arm, in the order of its seeds; trained now where missing."""
        return self.runs_by_arm(arm)[arm]

    def runs_by_arm(self, *arms: str) -> dict[str, list[Run]]:
        """All runs of some arms, by arm; trained now where missing."""
        specs = {arm: [spec for spec in self.specs.values() if spec.arm == self._spec(arm).arm] for arm in arms}
        runs = iter(self._bring([spec for of_arm in specs.values() for spec in of_arm]))
        return {arm: [next(runs) for _ in of_arm] for arm, of_arm in specs.items()}

    def missing(self) -> list[RunSpec]:
        """Runs that are not in the store, in an order in which they can be trained."""
        return [spec for spec in self.specs.values() if self._find(spec) is None]

    def finished(self) -> Iterator[tuple[RunSpec, Run]]:
        """The runs that are in the store; nothing is trained."""
        return ((spec, run) for spec in self.specs.values() if (run := self._find(spec)))

    def status(self) -> list[Status]:
        """Where every run stands, and why."""
        return [self._status(spec) for spec in self.specs.values()]

    def key(self, spec: RunSpec) -> str:
        """The hash of everything that the result of a run depends on."""
        return key_of(self.identity(spec))

    def identity(self, spec: RunSpec) -> Record:
        """Everything that the result of a run depends on, by content: no paths, names or times."""
        return {
            "data": self.data_digest,
            "checkpoint": self._checkpoint(spec.checkpoint).identity,
            "hyperparameters": spec.hyperparameters,
            "seed": spec.seed,
            "threads": self.profile.threads,
            "teacher": self._key_in_use(self.specs[spec.teacher]) if spec.teacher else None,
            "shuffled": spec.shuffled,
            "code": self._code,
            "versions": self.versions,
        }

    def train(
        self,
        spec: RunSpec,
        report: "Callable[[train.Progress], None]" = lambda progress: None,
        wait: Callable[[], None] | None = None,
    ) -> Run:
        """Train a run, and its teacher first if that is missing, and put it into the store.

        ``report`` is told the progress; ``wait`` is called if another process trains the same run, which is then not trained
        twice.
        """
        teacher = self._whole(spec.teacher) if spec.teacher else None
        identity = self.identity(spec)
        key = key_of(identity)
        with self.store.writing(key, wait) as directory:
            if done := self.store.get(key):
                return done
            from kdbook import train  # imports AutoMM, which takes tens of seconds

            with self.store.room():
                measured = train.train(
                    directory,
                    self.data,
                    str(self._checkpoint(spec.checkpoint).path),
                    spec.hyperparameters,
                    spec.seed,
                    train.Teaching(teacher.predictor, self.store.outputs(teacher.key), spec.shuffled) if teacher else None,
                    self.profile.threads,
                    measure_speed=spec.arm in MAIN_ARMS,
                    report=report,
                )
                asked = {"name": spec.name, "profile": self.profile.name, "source": self.profile.data.source, "spec": asdict(spec)}
                self.store.finish(directory, asked | {"identity": identity} | measured)
        run = self.store.get(key)
        assert run
        return run

    @cached_property
    def data_digest(self) -> str:
        """A hash of the rows, known without reading them where the same files gave it before."""
        origin = _origin_of_rows(self.profile.data)
        return self.store.digest(origin, lambda: self.data.digest()) if origin else self.data.digest()

    @cached_property
    def _code(self) -> dict[str, str]:
        return source.fingerprints([TRAINING])

    @cached_property
    def versions(self) -> dict[str, str]:
        """Versions of what computes; empty where AutoMM is not installed, as where results are only read."""
        try:
            return {name: version(name) for name in COMPUTING_PACKAGES}
        except PackageNotFoundError:
            return {}

    def _checkpoint(self, name: str) -> encoders.Checkpoint:
        """Located once: its files are hashed, and the hub is asked."""
        if name not in self._checkpoints:
            self._checkpoints[name] = encoders.locate(name)
        return self._checkpoints[name]

    def _whole(self, name: str) -> Run:
        """A run of which every file was verified, weights included; trained now if it is missing or damaged."""
        run = self.run(name)
        if self.store.imported(run.key):
            raise KdbookError(
                f"{name} was imported, and to distil from it AutoMM would load pickled files of another machine, which can run any code. "
                "If you trust that machine, import it again with: kdbook import --trust FILE; else train it here, in a store of its own"
            )
        return self.run(name) if self.store.verify(run.key) else run

    def _bring(self, specs: Sequence[RunSpec]) -> list[Run]:
        """The runs of some specs; those that are missing, and their teachers, are trained now, in this process."""
        found = [self._find(spec) for spec in specs]
        if all(found):
            return [run for run in found if run]
        wanted = {spec.name for spec in specs} | {spec.teacher for spec in specs}
        missing = [spec for spec in self.missing() if spec.name in wanted]
        with Meter({spec.name: self._status(spec).seconds for spec in missing}, jobs=1) as meter:
            for spec in missing:
                meter.started(spec.name)
                self.train(spec, partial(meter.hear, spec.name), partial(meter.hear, spec.name, None))
                meter.finished(spec.name, here=True)
        return self._bring(specs)

    def _spec(self, name: str) -> RunSpec:
        for spec in self.specs.values():
            if name in (spec.name, spec.arm):
                return spec
        raise KdbookError(f"the profile {self.profile.name!r} has no run {name!r}. Choose from: {', '.join(self.specs)}")

    def _key_in_use(self, spec: RunSpec) -> str:
        """The key of the stored run, which has other versions in it where AutoMM is not installed, else the key to be."""
        run = self._find(spec)
        return run.key if run else self.key(spec)

    def _find(self, spec: RunSpec) -> Run | None:
        identity = self.identity(spec)
        if identity["versions"]:
            return self.store.get(key_of(identity))
        return next(self.store.matching(lambda record: _same_apart_from_versions(record["identity"], identity)), None)

    def _status(self, spec: RunSpec) -> Status:
        key = self.key(spec)
        if self._find(spec):
            return Status(spec.name, spec.arm, CURRENT, "", key, 0.0)
        before = next(self._earlier(spec), None)
        return Status(spec.name, spec.arm, *self._state(spec, key, before), key, self._seconds_left(spec, key, before))

    def _state(self, spec: RunSpec, key: str, before: Run | None) -> tuple[str, str]:
        """What stands in the way of a run that is not current, and why; ``before`` is an earlier one of its name."""
        if found := self.store.damage(key):
            return DAMAGED, "; ".join(found)
        if self.store.in_use(key):
            return MISSING, "another process is training it now"
        if (progress := self.store.interrupted(key)) is not None:
            if not progress:
                return INTERRUPTED, "its training stopped before its first checkpoint and starts again"
            return INTERRUPTED, f"its training stopped and goes on after epoch {progress['epoch']:g} of {progress['epochs']}"
        if before is None:
            return MISSING, "never trained"
        return OUTDATED, "; ".join(differences(before.record["identity"], self.identity(spec)))

    def _earlier(self, spec: RunSpec) -> Iterator[Run]:
        """Stored runs of this name and profile, whatever they were trained with."""
        return self.store.matching(lambda record: (record["name"], record["profile"]) == (spec.name, self.profile.name))

    def like(self, arm: str) -> Iterator[Run]:
        """Stored runs of an arm of this profile, whatever they were trained with."""
        return self.store.matching(lambda record: (record["spec"]["arm"], record["profile"]) == (arm, self.profile.name))

    def _seconds_left(self, spec: RunSpec, key: str, before: Run | None) -> float | None:
        like = before or next(self.like(spec.arm), None)
        progress = self.store.interrupted(key) or {}
        if like is None:
            return progress["seconds"] * (progress["epochs"] / progress["epoch"] - 1) if progress else None
        done = progress["epoch"] / progress["epochs"] * like.record["fit_seconds"] if progress else 0.0
        return like.record["seconds"] - done


def open_study(name: str | None = None) -> Study:
    """The study of a profile; by default of the one that ``KDBOOK_PROFILE`` names, else of ``embedded``."""
    return Study(profile.load(name), open_store())


def _source(settings: profile.Data) -> str:
    if settings.source == profile.GENERATED:
        wrong = 100 * settings.train_label_noise
        return "generated sentences" + (f", about {wrong:.0f} % of the training labels wrong on purpose" if wrong else "")
    return f"`{Path(settings.source).name}`" if settings.columns else "PAWS-X or data in its layout"


def _origin_of_rows(settings: profile.Data) -> str | None:
    """A hash of everything that the rows are made from; None for data of the hub, whose content only loading tells."""
    path = Path(settings.source).expanduser()
    if settings.source == profile.GENERATED:
        made_from = list(Path(__file__).with_name("data").glob("*.toml"))
    elif path.is_file():
        made_from = [path]
    elif path.is_dir():
        folders = [path / language for language in settings.languages] + ([path] if settings.columns else [])
        made_from = [file for folder in folders for file in folder.glob("*") if file.is_file()]
    else:
        return None
    contents = {f"{n} {path.name}": hash_of(path) for n, path in enumerate(sorted(made_from))}
    return key_of({"settings": settings.model_dump(mode="json"), "code": source.fingerprints(["kdbook.data.load"]), "files": contents})


def unreached(store: Store, given: Iterable[str] = ()) -> tuple[list[Run], dict[str, str]]:
    """Runs that no profile asks for any more, and why some profiles can't be looked at; their runs count as reached.

    Looks at the shipped profiles on generated data, at the profiles and data that the stored runs were trained for, and at
    the given ones (names or paths), by which also the profiles of one's own are found that stored runs name.
    """
    paths = {Path(name).stem: name for name in given}
    generated = {(name, profile.GENERATED) for name in profile.names() if profile.load(name).data.source == profile.GENERATED}
    recorded = {_origin(run) for run in store}
    reached: set[str] = set()
    unknown: dict[str, str] = {}
    for name, origin in sorted(generated | recorded | {(name, profile.load(path).data.source) for name, path in paths.items()}):
        try:
            opened = Study(profile.load(paths.get(name, name), origin), store)
            reached |= {opened.key(spec) for spec in opened.specs.values()}
        except KdbookError as error:
            unknown[name] = str(error)
    return [run for run in store if run.key not in reached and _origin(run)[0] not in unknown], unknown


def _origin(run: Run) -> tuple[str, str]:
    return run.record["profile"], run.record["source"]


def differences(before: Record, now: Record) -> list[str]:
    """In words, what makes a stored run differ from the one that is asked for."""
    words = [f"{part} changed" for part in RECORDED if before.get(part) != now[part]]
    for part, noun in (("hyperparameters", "setting"), ("versions", "version of"), ("code", "code")):
        for name in sorted(before[part].keys() | now[part].keys()):
            old, new = before[part].get(name), now[part].get(name)
            if old != new:
                words.append(f"{noun} {name}" if part == "code" else f"{noun} {name} {_said(old)} → {_said(new)}")
    return words


def _said(value: Any) -> str:
    return "unset" if value is None else str(value)


def _same_apart_from_versions(stored: Record, wanted: Record) -> bool:
    return {**stored, "versions": {}} == wanted


def _specs(settings: profile.Profile) -> Iterator[RunSpec]:
    """Teachers, students alone, students with a teacher, variations. The teachers take turns at the seeds of the students."""
    teacher, student = settings.teacher, settings.student
    teaching = settings.hyperparameters | teacher.hyperparameters
    learning = settings.hyperparameters | student.hyperparameters

    def students(arm: str, seeds: Sequence[int], hyperparameters: Settings, lesson: str, title: str = "") -> Iterator[RunSpec]:
        chosen = learning | (settings.distiller if lesson != "none" else {}) | hyperparameters
        for number, seed in enumerate(seeds):
            its = f"{TEACHER}-{teacher.seeds[number % len(teacher.seeds)]}" if lesson != "none" else None
            yield RunSpec(f"{arm}-{seed}", arm, seed, student.checkpoint, chosen, its, lesson == "shuffled", title)

    for seed in teacher.seeds:
        yield RunSpec(f"{TEACHER}-{seed}", TEACHER, seed, teacher.checkpoint, teaching)
    yield from students(BASELINE, student.seeds, {}, "none")
    yield from students(DISTILLED, student.seeds, {}, "own")
    for name, control in settings.controls.items():
        yield from students(name, student.seeds[: settings.control_seeds], control.hyperparameters, control.teacher, control.title)
    for name, ablation in settings.ablations.items():
        yield from students(name, student.seeds[: settings.ablation_seeds], ablation.hyperparameters, ablation.teacher, ablation.title)
