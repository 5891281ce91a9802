"""How much of a cluster's time a study uses: ``make bench-cluster``.

First real runs of the smoke profile, one and two at once on the cores of this machine, interleaved; then the
graph of the full study on machines that Ray simulates here, in which a run is a pause. Efficiency is the sum
of the runs' times over machines times wall time.
"""

import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

import ray
from ray.cluster_utils import Cluster
from runs import make_record

from kdbook.execution import ray_cluster, schedule
from kdbook.settings import profile
from kdbook.store.local import Store
from kdbook.study.status import State
from kdbook.study.study import Study

REPEATS = 3
PAUSE = {"teacher": 6.0, "student": 2.0}  # seconds of a run that is simulated
MACHINES = (2, 4, 8)


class OnCores(ray_cluster.RayCluster):
    """A cluster whose runs take some of this machine's two cores."""

    cores = 1.0

    @classmethod
    def needs(cls, profile, arm):
        return {"num_cpus": cls.cores, "num_gpus": 0}


class Pausing(ray_cluster.RayCluster):
    """A cluster on which a run is a pause, and a record in the store."""

    @staticmethod
    def work(profile, store, name, messages):
        study = Study(profile, store)
        spec = study.specs[name]
        time.sleep(PAUSE.get(spec.arm, PAUSE["student"]))
        with store.writing(study.resolve(spec).key) as directory:
            store.finish(directory, make_record(name, spec))
        return True


def wall(study: Study, jobs: int, executor: type[ray_cluster.RayCluster]) -> float:
    """Seconds for all missing runs, the start of the cluster not counted."""
    missing = [status for status in study.status() if status.state is not State.CURRENT]
    start = time.perf_counter()
    schedule.train_all(study, missing, executor, jobs)
    return time.perf_counter() - start


def on_this_machine(folder: Path) -> None:
    settings = profile.load("smoke").model_copy(update={"ablations": {}})
    first = Study(settings, Store(folder / "teacher"))
    first.train(first.specs["teacher-0"])  # its students are then independent of each other
    ray.init(address="local", num_cpus=2, **ray_cluster.QUIET)
    cores_per_run = {1: 2.0, 2: 1.0}
    seconds: dict[int, list[float]] = {jobs: [] for jobs in cores_per_run}
    for repeat in range(-1, REPEATS):  # the first time, the workers import AutoMM
        for jobs, cores in cores_per_run.items():
            OnCores.cores = cores
            store = Store(Path(shutil.copytree(folder / "teacher", folder / f"{repeat} {jobs}")))
            taken = wall(Study(settings, store), jobs, OnCores)
            seconds[jobs] += [taken] if repeat >= 0 else []
    ray.shutdown()
    one, two = (median(values) for values in seconds.values())
    efficiency = one / two / 2
    print(
        f"8 students of the smoke profile: {one:.1f} s one at a time, {two:.1f} s two at once, {efficiency:.2f}"
    )


def simulated(folder: Path, machines: int) -> None:
    full = profile.load("pawsx")
    models = {"teacher": full.teacher, "student": full.student}
    here = {
        arm: model.model_copy(update={"checkpoint": f"embedded:{arm}", "gpus": 0})
        for arm, model in models.items()
    }
    settings = full.model_copy(update={"data": profile.load("smoke").data, "threads": 1, **here})
    simulation = Cluster()
    for _ in range(machines):
        simulation.add_node(num_cpus=1)
    ray.init(address=simulation.address, **ray_cluster.QUIET)
    study = Study(settings, Store(folder / str(machines)))
    total = sum(PAUSE.get(spec.arm, PAUSE["student"]) for spec in study.specs.values())
    taken = wall(study, machines, Pausing)
    efficiency = total / machines / taken
    print(
        f"{len(study.specs)} runs on {machines} simulated machines: {taken:.0f} s, efficiency {efficiency:.2f}"
    )
    ray.shutdown()
    simulation.shutdown()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        on_this_machine(Path(temporary))
        for machines in MACHINES:
            simulated(Path(temporary), machines)
