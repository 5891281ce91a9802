"""One run trained, from a teacher that is finished."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdbook.encoders import checkpoints
from kdbook.errors import KdbookError
from kdbook.settings.arms import MAIN_ARMS
from kdbook.settings.automm import MAX_TEXT_LEN, number
from kdbook.settings.profile import Profile
from kdbook.store.local import Store
from kdbook.store.run import Measurements, Run, RunRecord, RunSpec
from kdbook.study import identity
from kdbook.study.status import ResolvedRun

if TYPE_CHECKING:
    from kdbook.data import TextData
    from kdbook.training.lessons import Teaching
    from kdbook.training.resume import FitProgress
    from kdbook.training.teacher_outputs import Teacher

Report = Callable[["FitProgress"], None]


@dataclass(frozen=True)
class Trainer:
    """Trains single runs of a profile; :mod:`kdbook.execution.schedule` decides their order.

    ``data`` gives the rows when they are needed, ``checkpoint`` a pretrained encoder by its name in the
    profile.
    """

    profile: Profile
    store: Store
    data: Callable[[], "TextData"]
    checkpoint: Callable[[str], checkpoints.Checkpoint]

    def check(self, spec: RunSpec) -> None:
        """Refuse a length of texts that the encoder of a run does not take, and labels that rows lack.

        Raises
        ------
        KdbookError
            If it does not take it, or they lack them.
        """
        if spec.rows == "all" and spec.lesson == "labels" and self.data().lacks_labels:
            raise KdbookError(
                f"{spec.name} learns the labels of all rows, and some rows of "
                f"{self.profile.data.source} have none; leave the arm out"
            )
        if spec.is_linear:
            return
        longest = number(spec.hyperparameters, MAX_TEXT_LEN)
        positions = checkpoints.max_positions(self.checkpoint(spec.checkpoint).path)
        if positions is not None and longest > positions:
            raise KdbookError(
                f"{spec.name}: {spec.checkpoint} takes at most {positions} tokens, and {MAX_TEXT_LEN} is "
                f"{longest}; set it to {positions} or less"
            )

    def train(
        self, run: ResolvedRun, teacher: ResolvedRun | None, report: Report, wait: Callable[[], None] | None
    ) -> bool:
        """Train a run, from its teacher if it has one, and put it into the store.

        Returns whether it was trained here: False if another process has put it into the store meanwhile, for
        which ``wait`` is called. ``report`` is called with the progress.

        Raises
        ------
        KdbookError
            If the teacher is not finished, is damaged, or was imported and is not trusted, if the disk is
            full, or the fit fails.
        """
        from kdbook.training import automm
        from kdbook.training.lessons import Teaching

        teaching = Teaching(run.spec.rows, run.spec.lesson, self._teacher(teacher) if teacher else None)
        with self.store.writing(run.identity.key, wait) as directory:
            if self.store.get(run.identity.key):
                return False
            with self.store.explaining_full_disk(), automm.without_log_lines():
                record = RunRecord(
                    name=run.spec.name,
                    profile=self.profile.name,
                    source=self.profile.data.source,
                    spec=run.spec,
                    identity=run.identity,
                    code=identity.code_map(run.spec.is_linear),
                    measurements=self._fit(run.spec, teaching, directory, report),
                )
                self.store.finish(directory, record)
        return True

    def _teacher(self, run: ResolvedRun) -> "Teacher":
        """A teacher of which every file was hashed, weights included."""
        from kdbook.training.teacher_outputs import OutputFile, Teacher

        if not run.stored:
            raise KdbookError(f"{run.spec.name} must be trained before its students")
        refuse_untrusted(run.stored, self.store)
        if problems := self.store.verify(run.key):
            raise KdbookError(
                f"{run.spec.name} is damaged ({problems[0]}) and was set aside; train it again, with: "
                f"kdbook run --profile {self.profile.name}"
            )
        return Teacher(run.stored.predictor, OutputFile(self.store.outputs(run.key)))

    def _fit(self, spec: RunSpec, teaching: "Teaching", directory: Path, report: Report) -> Measurements:
        """Fit, predict and measure."""
        if spec.is_linear:
            from kdbook.training import linear

            return linear.train_run(directory, self.data(), teaching, spec.metric)
        from kdbook.training.fit import FitSettings
        from kdbook.training.run import train_run  # when called, it imports AutoMM for tens of seconds

        checkpoint = str(self.checkpoint(spec.checkpoint).path)
        return train_run(
            directory,
            self.data(),
            FitSettings(checkpoint, spec.hyperparameters, spec.seed, spec.metric),
            teaching,
            self.profile.threads,
            measure_latency=spec.arm in MAIN_ARMS,
            report=report,
        )


def refuse_untrusted(run: Run, store: Store) -> None:
    """Stop before AutoMM unpickles files of a run that was imported and is not trusted."""
    if store.imported(run.key):
        raise KdbookError(
            f"{run.name} was imported, and to load its model AutoMM would unpickle files from another "
            "machine, which can run any code. If you trust that machine, import it again with: "
            "kdbook import --trust FILE; otherwise train it here, in a store of its own"
        )
