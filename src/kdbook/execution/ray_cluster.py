"""Missing runs trained on a Ray cluster: the one that ``RAY_ADDRESS`` names, or one made of this machine's
cores.

Ray decides where a run is trained, and repeats it elsewhere if a process or a machine is lost; it then
continues from what the lost one had reached. The processes meet only in the run store, so every machine must
see the same one.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kdbook.errors import KdbookError
from kdbook.execution.schedule import SECONDS_BETWEEN_REPORTS, Message, Tell, train_one
from kdbook.settings import environment
from kdbook.settings.arms import TEACHER
from kdbook.settings.profile import Profile
from kdbook.store.local import Store
from kdbook.study.study import Study

RETRIES = 2
SECONDS_TO_CONNECT = 10
RAY_CHARACTERS = len("/ray/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store")
QUIET: Any = {"include_dashboard": False, "logging_level": "ERROR", "log_to_driver": False}


class RayCluster:
    """Trains runs on a Ray cluster; see :class:`kdbook.execution.schedule.Executor`.

    Parameters
    ----------
    study
        The study of the runs.
    jobs
        Runs at once where the cluster is made of this machine's cores; an existing cluster knows its own.
    tell
        Called with messages of the runs.
    retries
        How often a run is started again whose process was lost.

    Raises
    ------
    KdbookError
        If the cluster can't be reached or lacks what a run needs.
    """

    @staticmethod
    def needs(profile: Profile, arm: str) -> dict[str, float]:
        """Cores and GPUs of a run of an arm."""
        return resources_of(profile, arm)

    @staticmethod
    def work(profile: Profile, store: Store, name: str, messages: Any) -> bool:
        """Train a run on a machine of the cluster."""

        def tell(message: Message) -> None:
            messages.put(message)

        return train_one(Study(profile, store), name, tell)

    def __init__(self, study: Study, jobs: int, tell: Tell, retries: int = RETRIES) -> None:
        self.study, self.jobs, self.tell, self.retries = study, jobs, tell, retries
        self.slots = len(study.specs)  # Ray itself queues what its machines can't take yet
        self.running: dict[Any, str] = {}
        self._connection = _connected(jobs, study.profile)

    def __enter__(self) -> "RayCluster":
        self._connection.__enter__()
        from ray.util.queue import Queue

        self.messages = Queue(actor_options={"num_cpus": 0})
        return self

    def __exit__(self, *exception: Any) -> None:
        self._connection.__exit__(*exception)

    def submit(self, name: str) -> None:
        """Give a run to the cluster."""
        import ray  # takes seconds

        study = self.study
        needs = self.needs(study.profile, study.specs[name].arm)
        task = ray.remote(self.work).options(name=name, max_retries=self.retries, **needs)
        self.running[task.remote(study.profile, study.store, name, self.messages)] = name

    def wait(self) -> dict[str, bool]:
        """Wait a moment for runs to finish.

        Raises
        ------
        KdbookError
            If a run was lost too often, or the machines do not share a store.
        """
        import ray

        done, _ = ray.wait(list(self.running), timeout=SECONDS_BETWEEN_REPORTS)
        for message in self.messages.get_nowait_batch(self.messages.qsize()):
            self.tell(message)
        finished = [(self.running.pop(result), result) for result in done]
        return {name: self._result(result, name) for name, result in finished}

    def _result(self, result: Any, name: str) -> bool:
        import ray

        try:
            trained_here: bool = ray.get(result)
        except ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, KdbookError) else error) from None
        except ray.exceptions.RayError as error:
            raise KdbookError(
                f"the process that trained {name} was lost {self.retries + 1} times, perhaps for lack of "
                "memory. The finished runs are kept; go on with fewer at once"
            ) from error
        if not self.study.resolve(self.study.specs[name]).stored:
            raise KdbookError(
                f"{name} was trained, but is not in the store {self.study.store.root}: the cluster's "
                "machines do not share it. Name one that they all see with KDBOOK_STORE, on a shared disk or "
                "as s3://bucket/folder"
            )
        return trained_here


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
