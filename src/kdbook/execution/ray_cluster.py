"""Missing runs trained on a Ray cluster: the one that ``RAY_ADDRESS`` names, or one made of this machine's
cores.

Ray decides where a run is trained, and repeats it elsewhere if a process or a machine is lost; it then
continues from what the lost one had reached. The processes meet only in the run store, so every machine must
see the same one.
"""

import socket
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from typing import Any

from kdbook.errors import KdbookError
from kdbook.execution.forecast import Event
from kdbook.execution.schedule import train_one
from kdbook.settings import environment
from kdbook.settings.arms import TEACHER
from kdbook.settings.profile import Profile
from kdbook.store.local import Store
from kdbook.study.study import Study

RETRIES = 2
SECONDS_TO_CONNECT = 10
RAY_CHARACTERS = len("/ray/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store")
QUIET: Any = {"include_dashboard": False, "logging_level": "ERROR", "log_to_driver": False}


@contextmanager
def ray_executor(study: Study, jobs: int) -> Iterator["RayExecutor"]:
    """An executor on a Ray cluster; see :class:`kdbook.execution.schedule.Executor`.

    Parameters
    ----------
    study
        The study of the runs.
    jobs
        Runs at once where the cluster is made of this machine's cores; Ray counts those of another one.

    Raises
    ------
    KdbookError
        If the cluster can't be reached or lacks what a run needs, or what a run itself raises.
    BrokenExecutor
        If a run was lost too often.
    """
    import ray  # takes seconds

    with _connected(jobs, study.profile):
        try:
            yield RayExecutor(study)
        except ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, KdbookError) else error) from None
        except ray.exceptions.RayError as error:
            raise BrokenExecutor from error


class RayExecutor:
    """Gives runs to the Ray cluster to which this process is connected."""

    def __init__(self, study: Study) -> None:
        from ray.util.queue import Queue

        self.study = study
        self.slots = len(study.specs)  # Ray itself queues what its machines can't take yet
        self.messages = Queue(actor_options={"num_cpus": 0})

    def submit(self, name: str) -> Future[bool]:
        """Give a run to the cluster."""
        import ray

        study = self.study
        needs = resources_of(study.profile, study.specs[name].arm)
        task = ray.remote(_train).options(name=name, max_retries=RETRIES, **needs)
        future: Future[bool] = task.remote(study.profile, study.store, name, self.messages).future()
        return future

    def events(self) -> list[Event]:
        """What runs have reported since the last call."""
        events: list[Event] = self.messages.get_nowait_batch(self.messages.qsize())
        return events


def _train(profile: Profile, store: Store, name: str, messages: Any) -> bool:
    """Train a run on a machine of the cluster."""
    return train_one(Study(profile, store), name, messages.put)


@contextmanager
def _connected(jobs: int, profile: Profile) -> Iterator[None]:
    import ray

    address = environment.read().ray_address
    ours = not ray.is_initialized()
    try:
        if ours and address:
            _join(address)
        elif ours:
            folder = environment.folder_for_sockets(RAY_CHARACTERS)
            ray.init(
                address="local",
                num_cpus=jobs * (profile.threads or 1),
                _temp_dir=str(folder / "ray"),
                **QUIET,
            )
        _check_resources(profile)
        yield
    finally:
        if ours:
            ray.shutdown()


def _join(address: str) -> None:
    import ray

    _refuse_unreachable(address)
    try:
        ray.init(address=address, **QUIET)
    except (ConnectionError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise KdbookError(
            f"the Ray cluster {address!r} can't be reached: {reason}. Check RAY_ADDRESS"
        ) from error


def _refuse_unreachable(address: str) -> None:
    """Try the port of a head node first; Ray itself waits for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_CONNECT).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise KdbookError(
            f"the Ray cluster {address!r} can't be reached: {error}. Check RAY_ADDRESS"
        ) from error


def _check_resources(profile: Profile) -> None:
    """Refuse a run that needs more than any machine has, since it would wait forever."""
    import ray

    machines = [machine["Resources"] for machine in ray.nodes() if machine["Alive"]]
    for arm in (TEACHER, "student"):
        needs = resources_of(profile, arm)
        cores, gpus = needs["num_cpus"], needs["num_gpus"]
        if not any(machine.get("CPU", 0) >= cores and machine.get("GPU", 0) >= gpus for machine in machines):
            raise KdbookError(
                f"no machine of the cluster has the {cores:g} cores and {gpus:g} GPUs that the profile "
                f"{profile.name!r} gives to a {arm}. Set threads and {arm}.gpus in it"
            )


def resources_of(profile: Profile, arm: str) -> dict[str, float]:
    """Cores and GPUs of a run.

    Without a number of threads it takes what its machine has, and counts as one core.
    """
    model = profile.teacher if arm == TEACHER else profile.student
    return {"num_cpus": profile.threads or 1, "num_gpus": model.gpus}
