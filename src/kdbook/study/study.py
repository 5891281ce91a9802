"""A study: the runs of a profile, and the store that holds them.

Chapters, the command line and downloaded notebooks all call :meth:`Study.get_or_train`, which reads a run if
it is current and trains it if not.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from kdbook.encoders import checkpoints
from kdbook.errors import KdbookError
from kdbook.settings import environment
from kdbook.settings.arms import LINEAR, MAIN_ARMS, PSEUDO_LABELS, Rows
from kdbook.settings.profile import Profile
from kdbook.store.local import Store
from kdbook.store.run import Run, RunIdentity, RunSpec
from kdbook.study import identity
from kdbook.study.arms import Arms
from kdbook.study.specs import expand
from kdbook.study.status import ResolvedRun, RunStatus, status_of
from kdbook.study.trainer import Report, Trainer, refuse_untrusted

if TYPE_CHECKING:
    from autogluon.multimodal import MultiModalPredictor

    from kdbook.data import TextData

TrainMissing = Callable[["Study", Sequence[RunStatus]], None]


class Study:
    """The runs of a profile.

    Parameters
    ----------
    profile
        What to train and on what.
    store
        Where finished runs are kept.
    train_missing
        Trains missing runs, teachers first, and shows the progress; without one, missing runs are an error.
        See :mod:`kdbook.execution.schedule`.
    """

    def __init__(self, profile: Profile, store: Store, train_missing: TrainMissing | None = None) -> None:
        self.profile, self.store, self._train_missing = profile, store, train_missing
        self._checkpoints: dict[str, checkpoints.Checkpoint] = {}
        self._identities: dict[tuple[str, str | None], RunIdentity] = {}

    @cached_property
    def data(self) -> "TextData":
        """The rows of the study."""
        from kdbook.data import load  # imports pandas, which a build with nothing to do does not need

        return load(self.profile.data)

    @cached_property
    def specs(self) -> dict[str, RunSpec]:
        """The runs of the study by name, teachers first."""
        return expand(self.profile)

    def spec(self, name: str) -> RunSpec:
        """What the run of this name is, or the first run of the arm of this name.

        Raises
        ------
        KdbookError
            If there is no such run or arm.
        """
        if name in self.specs:
            return self.specs[name]
        of_arm = (spec for spec in self.specs.values() if spec.arm == name)
        spec = next(of_arm, None)
        if not spec:
            choices = ", ".join([*self.profile.arms, *self.specs])
            raise KdbookError(
                f"the profile {self.profile.name!r} has no run {name!r}. Choose from: {choices}"
            )
        return spec

    def get_or_train(self, name: str) -> Run:
        """The run of this name, or the first run of the arm of this name; trained now if the store lacks it.

        Raises
        ------
        KdbookError
            If there is no such run or arm, or it can't be trained.
        """
        return self._get_or_train([self.spec(name)])[0]

    def get_or_train_arms(self, *arms: str) -> Arms:
        """All runs of some arms (by default of all) and of the linear models; those that the store lacks are
        trained now.

        A main arm that the profile does not have, as ``transfer`` where every row has a label, is left out,
        and so is ``pseudo-labels``.

        Raises
        ------
        KdbookError
            If there is no such arm, or a run can't be trained.
        """
        optional = set(MAIN_ARMS) | {PSEUDO_LABELS}
        known = [arm for arm in arms or self.profile.arms if arm not in optional or arm in self.profile.arms]
        names = list(dict.fromkeys([*(self.spec(arm).arm for arm in known), *self.profile.floors]))
        specs = [spec for name in names for spec in self.specs.values() if spec.arm == name]
        runs = self._get_or_train(specs)
        return Arms({name: [run for run in runs if run.record.spec.arm == name] for name in names})

    def predictor(self, name: str) -> "MultiModalPredictor":
        """AutoMM's fitted predictor of a run, or of the first run of an arm; trained now if the store lacks
        it.

        Raises
        ------
        KdbookError
            If there is no such run or arm, or it was imported and is not trusted, since AutoMM would unpickle
            its files.
        """
        from kdbook.training import automm

        run = self.get_or_train(name)
        refuse_untrusted(run, self.store)
        if self.store.verify(run.key):  # damaged, and set aside
            run = self.get_or_train(name)
        return automm.load_quietly(run.predictor)

    def resolve(self, spec: RunSpec) -> ResolvedRun:
        """A run with its identity, its key, and the stored run if there is one."""
        teacher = self.resolve(self.specs[spec.teacher]).key if spec.teacher else None
        if (spec.name, teacher) not in self._identities:
            self._identities[spec.name, teacher] = self._identity(spec, teacher)
        run_identity = self._identities[spec.name, teacher]
        return ResolvedRun(spec, run_identity, self._find(run_identity))

    def resolved_runs(self) -> Iterator[ResolvedRun]:
        """All runs, teachers first."""
        return map(self.resolve, self.specs.values())

    def missing(self) -> list[RunSpec]:
        """Runs that the store lacks, in an order in which they can be trained."""
        return [run.spec for run in self.resolved_runs() if not run.stored]

    def completed_runs(self) -> Iterator[tuple[RunSpec, Run]]:
        """The runs that the store has; nothing is trained."""
        return ((run.spec, run.stored) for run in self.resolved_runs() if run.stored)

    def status(self) -> list[RunStatus]:
        """Where every run stands, and why."""
        return [status_of(run, self.store, self.profile.name) for run in self.resolved_runs()]

    def to_train(self, specs: Iterable[RunSpec]) -> list[RunStatus]:
        """The status of those of some runs that the store lacks, and of their missing teachers, in an order
        in which they can be trained.

        Stored teachers are hashed whole, since they will be loaded: one that is damaged is missing.
        """
        lacking = [spec for spec in specs if not self.resolve(spec).stored]
        teachers = {spec.teacher for spec in lacking if spec.teacher}
        for name in teachers:
            if stored := self.resolve(self.specs[name]).stored:
                self.store.verify(stored.key)
        needed = {spec.name for spec in lacking} | teachers
        resolved = [self.resolve(spec) for spec in self.specs.values() if spec.name in needed]
        return [status_of(run, self.store, self.profile.name) for run in resolved if not run.stored]

    def check(self, spec: RunSpec) -> None:
        """Refuse a run that can't be trained; see :meth:`kdbook.study.trainer.Trainer.check`."""
        self._trainer.check(spec)

    def train(
        self, spec: RunSpec, report: Report = lambda progress: None, wait: Callable[[], None] | None = None
    ) -> bool:
        """Train a run whose teacher is finished; see :meth:`kdbook.study.trainer.Trainer.train`."""
        teacher = self.resolve(self.specs[spec.teacher]) if spec.teacher else None
        return self._trainer.train(self.resolve(spec), teacher, report, wait)

    @cached_property
    def _trainer(self) -> Trainer:
        return Trainer(self.profile, self.store, lambda: self.data, self._checkpoint)

    def data_digest(self, rows: Rows) -> str:
        """A hash of the labelled rows, or of all, known without reading them where the same files gave it
        before.
        """
        if not self._data_origin:
            return self.data.digest(rows)
        return self.store.cached_digest(f"{self._data_origin}-{rows}", lambda: self.data.digest(rows))

    @cached_property
    def _data_origin(self) -> str | None:
        return identity.data_origin(self.profile.data)

    @cached_property
    def _any_versions(self) -> bool:
        return environment.read().any_versions

    @property
    def versions(self) -> dict[str, str]:
        """Versions of what computes; empty where AutoMM is not installed."""
        return identity.versions()

    def _identity(self, spec: RunSpec, teacher: str | None) -> RunIdentity:
        checkpoint = LINEAR if spec.is_linear else self._checkpoint(spec.checkpoint).identity
        data = self.data_digest(spec.rows)
        return identity.identity_of(spec, data, checkpoint, teacher, self.profile.threads)

    def _checkpoint(self, name: str) -> checkpoints.Checkpoint:
        """Located once, since its files are hashed or looked up on the hub."""
        if name not in self._checkpoints:
            self._checkpoints[name] = checkpoints.locate(name)
        return self._checkpoints[name]

    def _find(self, wanted: RunIdentity) -> Run | None:
        same = self.store.get(wanted.key) if wanted.versions else None
        if same or (wanted.versions and not self._any_versions):
            return same
        return next(self.store.where(lambda record: record.identity.same_apart_from_versions(wanted)), None)

    def _get_or_train(self, specs: Sequence[RunSpec]) -> list[Run]:
        if missing := self.to_train(specs):
            if not self._train_missing:
                names = ", ".join(status.name for status in missing)
                raise KdbookError(
                    f"{names} must be trained first, with: kdbook run --profile {self.profile.name}"
                )
            self._train_missing(self, missing)
        runs = [self.resolve(spec).stored for spec in specs]
        return [run for run in runs if run]
