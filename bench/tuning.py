"""Choose the settings of each arm of the embedded profile: ``make tuning``.

Every arm gets the same number of trials: the same random draws of learning rate and batch size, and of a number of
epochs that suits its number of rows. Items, teachers and students are those of seeds that the study does not use, so no
row of a split of the study plays a part. The trials are kept with the profile; a test checks the profile against the
best of them.
"""

import json
import math
import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from kdbook.execution.local import default_jobs
from kdbook.execution.schedule import train_in_process
from kdbook.settings import profile
from kdbook.settings.data import ALL
from kdbook.settings.profile import Profile
from kdbook.settings.tuning import Trial, best
from kdbook.stats.metrics import accuracy
from kdbook.store.local import Store
from kdbook.study.study import Study

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "src" / "kdbook" / "settings" / "records"
TUNING = RECORDS / "embedded.tuning.json"
STORE = ROOT / ".tuning"
PROFILE = "embedded"
TRIALS = 6
DATA_SEED, MODEL_SEED, TEST_ITEMS = 1000, 100, 500
EPOCHS = {"teacher": (6, 8, 12), "labelled": (6, 12, 24), "all": (4, 6, 8)}
LEARNING_RATES = {"teacher": (1e-4, 1e-3), "labelled": (3e-4, 3e-3), "all": (3e-4, 3e-3)}
BATCHES = (16, 32)
ARMS = {
    "teacher": "teacher",
    "baseline": "labelled",
    "distilled": "labelled",
    "robust": "labelled",
    "transfer": "all",
    "pseudo-labels": "all",
    "all-labels": "all",
}


def drawn_trials(arm: str) -> list[Trial]:
    """The trials of an arm, without their accuracy; the draws behind them are the same for all arms."""
    rng, kind = random.Random(0), ARMS[arm]
    low, high = map(math.log, LEARNING_RATES[kind])
    drawn = []
    for _ in range(TRIALS):
        rate = float(f"{math.exp(low + rng.random() * (high - low)):.1e}")
        batch, epochs = rng.choice(BATCHES), rng.choice(EPOCHS[kind])
        drawn.append(Trial(arm=arm, learning_rate=rate, batch_size=batch, epochs=epochs, accuracy=0))
    return drawn


def varied(trial: Trial, teacher: Trial | None) -> Profile:
    """The profile with the settings of a trial, and of the best teacher, on items and seeds of no study."""
    some = profile.load(PROFILE)
    data = some.data.model_copy(update={"seed": DATA_SEED, "test_items": TEST_ITEMS})
    models = {
        kind: getattr(some, kind).model_copy(update={"seeds": (MODEL_SEED,)})
        for kind in ("teacher", "student")
    }
    updates: dict[str, object] = {"data": data, **models}
    for each in filter(None, (teacher, trial)):
        if each.arm == "teacher":
            settings = some.teacher.hyperparameters | each.settings
            updates["teacher"] = models["teacher"].model_copy(update={"hyperparameters": settings})
        elif each.arm in some.controls:
            control = some.controls[each.arm]
            changed = control.model_copy(update={"hyperparameters": control.hyperparameters | each.settings})
            updates["controls"] = some.controls | {each.arm: changed}
        else:
            updates["tuned"] = some.tuned | {each.arm: each.settings}
    return some.model_copy(update=updates)


def tried(trial: Trial, teacher: Trial | None) -> Trial:
    """A trial with its accuracy."""
    study = Study(varied(trial, teacher), Store(STORE), train_in_process)
    run = study.get_or_train(trial.arm)
    result = trial.model_copy(update={"accuracy": accuracy(run.predictions)[ALL]})
    print(result, flush=True)
    return result


def tune() -> None:
    jobs = default_jobs(profile.load(PROFILE).threads)
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        results = list(pool.map(tried, drawn_trials("teacher"), [None] * TRIALS))
        teacher = best(results, "teacher")
        students = [trial for arm in ARMS if arm != "teacher" for trial in drawn_trials(arm)]
        results += pool.map(tried, students, [teacher] * len(students))
    TUNING.write_text(json.dumps([trial.model_dump() for trial in results], indent=1) + "\n", "utf-8")
    for arm in ARMS:
        print(best(results, arm))


if __name__ == "__main__":
    tune()
