"""Missing runs trained on a Ray cluster: the one that ``RAY_ADDRESS`` names, or one of this machine's cores.

Ray decides where and when a run is trained, not before its teacher's, and does it again elsewhere if a process or a machine is lost;
what a lost run had reached is resumed. The processes meet in the run store alone, so every machine must see the same one.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kdbook import study, workers
from kdbook.errors import KdbookError
from kdbook.profile import TEACHER, Profile
from kdbook.progress import Meter
from kdbook.store import Store

RETRIES = 2
QUIET: dict[str, Any] = {"include_dashboard": False, "logging_level": "ERROR", "log_to_driver": False}


def train(opened: study.Study, missing: Sequence[study.Status], jobs: int, retries: int = RETRIES) -> None:
    """Train the missing runs of a study, and show how far they are.

    Parameters
    ----------
    jobs
        Runs at once where the cluster is made of this machine's cores; a cluster that is there knows its own.
    retries
        How often a run is begun again whose process was lost.

    Raises
    ------
    KdbookError
        If the cluster can't be reached or lacks what a run needs, a run was lost too often, or the machines do not share a store.
        What was finished stays in the store.
    """
    import ray  # takes seconds
    from ray.util.queue import Queue

    settings = opened.profile
    specs = [opened.specs[status.name] for status in missing]
    with _connected(jobs, settings), Meter({status.name: status.seconds for status in missing}, jobs) as meter:
        task = ray.remote(_train)
        messages = Queue(actor_options={"num_cpus": 0})
        results: dict[str, Any] = {}
        for spec in specs:
            asked = {"name": spec.name, "max_retries": retries} | _needs(settings, spec.arm)
            taught = [results[spec.teacher]] if spec.teacher in results else []
            results[spec.name] = task.options(**asked).remote(settings, opened.store, spec.name, messages, *taught)
        running = {result: name for name, result in results.items()}
        while running:
            done, _ = ray.wait(list(running), timeout=workers.SECONDS_BETWEEN_LOOKS)
            for name, progress in messages.get_nowait_batch(messages.qsize()):
                meter.hear(name, progress)
            for result in done:
                name = running.pop(result)
                meter.finished(name, here=_result(result, name, retries))
                if not opened.store.get(opened.key(opened.specs[name])):
                    raise KdbookError(
                        f"{name} was trained, but is not in the store {opened.store.root}: the cluster's machines do not share it. "
                        "Name one that they all see with KDBOOK_STORE, on a shared disk or as s3://bucket/folder"
                    )


@contextmanager
def _connected(jobs: int, settings: Profile) -> Iterator[None]:
    import ray

    address = os.environ.get("RAY_ADDRESS")
    ours = not ray.is_initialized()
    try:
        if ours and address:
            _join(address)
        elif ours:
            ray.init(address="local", num_cpus=jobs * (settings.threads or 1), **QUIET)
        _check_resources(settings)
        yield
    finally:
        if ours:
            ray.shutdown()


def _join(address: str) -> None:
    import ray

    try:
        ray.init(address=address, **QUIET)
    except (ConnectionError, ValueError) as error:
        raise KdbookError(f"the Ray cluster {address!r} can't be reached: {str(error).splitlines()[0]}. Check RAY_ADDRESS") from error


def _check_resources(settings: Profile) -> None:
    """A run that needs more than any machine has would wait for ever."""
    import ray

    machines = [machine["Resources"] for machine in ray.nodes() if machine["Alive"]]
    for arm in (TEACHER, "student"):
        needs = _needs(settings, arm)
        if not any(machine.get("CPU", 0) >= needs["num_cpus"] and machine.get("GPU", 0) >= needs["num_gpus"] for machine in machines):
            raise KdbookError(
                f"no machine of the cluster has the {needs['num_cpus']} cores and {needs['num_gpus']:g} GPUs that the profile "
                f"{settings.name!r} gives to a {arm}. Set threads and {arm}.gpus in it"
            )


def _needs(settings: Profile, arm: str) -> dict[str, Any]:
    """Cores and GPUs of a run; one without a number of threads takes what its machine has, and is counted as one."""
    model = settings.teacher if arm == TEACHER else settings.student
    return {"num_cpus": settings.threads or 1, "num_gpus": model.gpus}


def _train(settings: Profile, store: Store, name: str, messages: Any, *taught: bool) -> bool:
    """What a machine of the cluster does; ``taught`` is there once the teacher's run is done."""
    return workers.train_one(study.Study(settings, store), name, messages.put)


def _result(result: Any, name: str, retries: int) -> bool:
    import ray

    try:
        return ray.get(result)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, KdbookError) else error) from None
    except ray.exceptions.RayError as error:
        raise KdbookError(
            f"the process that trained {name} was lost {retries + 1} times, perhaps for lack of memory. "
            "The finished runs are kept; go on with fewer at once"
        ) from error
