"""How much of a cluster's time a study uses: ``make bench-cluster``.

First real runs of the smoke profile, one and two at once on the cores of this machine, interleaved; then the graph of the full study on
machines that Ray simulates here, in which a run is a pause. Efficiency is the sum of the runs' times over machines times wall time.
"""

import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

import ray
from ray.cluster_utils import Cluster

from kdbook import cluster, profile, study
from kdbook.store import Store

REPEATS = 3
PAUSE = {"teacher": 6.0, "student": 2.0}  # seconds of a run that is simulated
MACHINES = (2, 4, 8)


def wall(opened: study.Study, jobs: int) -> float:
    """Seconds for all missing runs, the cluster's start not counted."""
    start = time.perf_counter()
    cluster.train(opened, [status for status in opened.status() if status.state != study.CURRENT], jobs)
    return time.perf_counter() - start


def on_this_machine(folder: Path) -> None:
    settings = profile.load("smoke").model_copy(update={"ablations": {}})
    first = study.Study(settings, Store(folder / "teacher"))
    first.train(first.specs["teacher-0"])  # its students are then independent of each other
    ray.init(address="local", num_cpus=2, **cluster.QUIET)
    cores_of_a_run = {1: 2.0, 2: 1.0}
    seconds: dict[int, list[float]] = {at_once: [] for at_once in cores_of_a_run}
    for repeat in range(-1, REPEATS):  # the first time, the workers import AutoMM
        for at_once, cores in cores_of_a_run.items():
            cluster._needs = lambda settings, arm, cores=cores: {"num_cpus": cores, "num_gpus": 0}
            store = Store(Path(shutil.copytree(folder / "teacher", folder / f"{repeat} {at_once}")))
            took = wall(study.Study(settings, store), at_once)
            seconds[at_once] += [took] if repeat >= 0 else []
    ray.shutdown()
    one, two = (median(values) for values in seconds.values())
    print(f"8 students of the smoke profile: {one:.1f} s one at a time, {two:.1f} s two at once, efficiency {one / two / 2:.2f}")


def pause(settings: profile.Profile, store: Store, name: str, messages, *taught: bool) -> bool:
    """Stands for a run: nothing but its time, and a record in the store."""
    opened = study.Study(settings, store)
    spec = opened.specs[name]
    time.sleep(PAUSE.get(spec.arm, PAUSE["student"]))
    with store.writing(opened.key(spec)) as directory:
        store.finish(directory, {"name": name})
    return True


def simulated(folder: Path, machines: int) -> None:
    full = profile.load("pawsx")
    models = {"teacher": full.teacher, "student": full.student}
    here = {arm: model.model_copy(update={"checkpoint": f"embedded:{arm}", "gpus": 0}) for arm, model in models.items()}
    settings = full.model_copy(update={"data": profile.load("smoke").data, "threads": 1, **here})
    simulation = Cluster()
    for _ in range(machines):
        simulation.add_node(num_cpus=1)
    ray.init(address=simulation.address, **cluster.QUIET)
    opened = study.Study(settings, Store(folder / str(machines)))
    total = sum(PAUSE.get(spec.arm, PAUSE["student"]) for spec in opened.specs.values())
    took = wall(opened, machines)
    print(f"{len(opened.specs)} runs on {machines} simulated machines: {took:.0f} s, efficiency {total / machines / took:.2f}")
    ray.shutdown()
    simulation.shutdown()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        own = cluster._needs
        on_this_machine(Path(place))
        cluster._needs, cluster._train = own, pause
        for machines in MACHINES:
            simulated(Path(place), machines)
