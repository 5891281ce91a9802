"""Runs that no profile asks for any more."""

from collections.abc import Iterable
from pathlib import Path

from kdbook.errors import KdbookError
from kdbook.settings import profile
from kdbook.settings.data import GENERATED
from kdbook.store.local import Store
from kdbook.store.run import Run
from kdbook.study.study import Study


def orphaned_runs(store: Store, profiles: Iterable[str] = ()) -> tuple[list[Run], dict[str, str]]:
    """Runs that no profile asks for any more, and why some profiles can't be read.

    Their runs count as reached.

    Considers the shipped profiles on generated data, the profiles and data that the stored runs were trained
    for, and the given ``profiles`` (names or paths), which also resolves custom profiles that stored runs
    refer to.
    """
    paths = {Path(name).stem: name for name in profiles}
    shipped = {(name, GENERATED) for name in profile.names() if profile.load(name).data.source == GENERATED}
    recorded = {_origin(run) for run in store}
    given = {(name, profile.load(path).data.source) for name, path in paths.items()}
    reached: set[str] = set()
    unreadable: dict[str, str] = {}
    for name, source in sorted(shipped | recorded | given):
        try:
            study = Study(profile.load(paths.get(name, name), source), store)
            reached |= {run.key for run in study.resolved_runs()}
        except KdbookError as error:
            unreadable[name] = str(error)
    return [run for run in store if run.key not in reached and _origin(run)[0] not in unreadable], unreadable


def _origin(run: Run) -> tuple[str, str]:
    """The profile and the data source that a run was trained for."""
    return run.record.profile, run.record.source
