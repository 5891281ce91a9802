"""Repeat the study of the embedded profile ten times with everything new: ``make confirmation``.

A replicate has its own items, teacher and students. Seeds and arms were fixed here before any of them was trained, all
settings before that, and every replicate is kept. No test asks for a certain result.
"""

import json
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from kdbook.execution.local import default_jobs
from kdbook.execution.schedule import train_in_process
from kdbook.settings import profile
from kdbook.settings.arms import BASELINE, DISTILLED, LINEAR, LINEAR_TAUGHT, PSEUDO_LABELS, TEACHER, TRANSFER
from kdbook.settings.profile import Profile
from kdbook.settings.replicates import Replicate
from kdbook.stats.metrics import accuracy
from kdbook.store.location import open_store
from kdbook.study.study import Study

PROFILE = "embedded"
RECORD = Path(__file__).parents[1] / "src" / "kdbook" / "settings" / "records" / f"{PROFILE}.replicates.json"
SEEDS = range(4001, 4011)
ARMS = (TEACHER, BASELINE, DISTILLED, TRANSFER, PSEUDO_LABELS, LINEAR, LINEAR_TAUGHT)


def with_everything_new(seed: int) -> Profile:
    """The profile with items, one teacher and one student of each arm of a seed."""
    some = profile.load(PROFILE)
    return some.model_copy(
        update={
            "data": some.data.model_copy(update={"seed": seed}),
            "teacher": some.teacher.model_copy(update={"seeds": (seed,)}),
            "student": some.student.model_copy(update={"seeds": (seed,)}),
            "controls": {PSEUDO_LABELS: some.controls[PSEUDO_LABELS]},
            "ablations": {},
        }
    )


def replicated(seed: int) -> Replicate:
    """A replicate; missing runs are trained."""
    arms = Study(with_everything_new(seed), open_store(), train_in_process).get_or_train_arms(*ARMS)
    runs = {arm: arms[arm][0] for arm in ARMS}
    result = Replicate(
        seed=seed,
        accuracy={arm: accuracy(run.predictions) for arm, run in runs.items()},
        keys={run.name: run.key for run in runs.values()},
    )
    print(result, flush=True)
    return result


def write(replicates: Iterable[Replicate]) -> None:
    record = [replicate.model_dump() for replicate in replicates]
    RECORD.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


def main() -> None:
    with ProcessPoolExecutor(default_jobs(profile.load(PROFILE).threads), get_context("spawn")) as pool:
        write(pool.map(replicated, SEEDS))


if __name__ == "__main__":
    main()
