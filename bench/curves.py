"""Train and summarize the dose-response curves of the embedded profile: ``make curves``.

Each point changes one property of the data of the profile and nothing else, except that epochs are scaled so that
every arm makes about as many updates as in the study: with a third of the rows, each is seen three times as often.
Otherwise the curves would show how long models were trained. No setting is chosen here.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kdbook.data import UNLABELLED as UNLABELLED_SPLIT
from kdbook.execution.local import train_in_processes
from kdbook.execution.plan import rows_per_split
from kdbook.pages import curves
from kdbook.pages.curves import ALL_LABELS, LANGUAGES, NOISE, UNLABELLED
from kdbook.settings import profile
from kdbook.settings.arms import BASELINE, DISTILLED, FLOORS, LINEAR, PSEUDO_LABELS, TEACHER, TRANSFER
from kdbook.settings.automm import Settings
from kdbook.settings.data import Data
from kdbook.settings.profile import Profile
from kdbook.store.location import open_store
from kdbook.study.arms import Arms
from kdbook.study.specs import expand
from kdbook.study.study import Study

PROFILE = "embedded"
RECORD = Path(__file__).parents[1] / "src" / "kdbook" / "settings" / "records" / f"{PROFILE}.curves.json"
SEEDS = 3
EPOCHS = "optim.max_epochs"
CONTROLS = (PSEUDO_LABELS, ALL_LABELS)
ARMS = (TEACHER, BASELINE, TRANSFER, *CONTROLS, LINEAR)
# Where no row lacks a label, transfer is distillation on the labelled rows, and the others are the baseline.
WITHOUT_UNLABELLED_ROWS = {TRANSFER: DISTILLED, PSEUDO_LABELS: BASELINE, ALL_LABELS: BASELINE}

Changes = Mapping[str, Any]  # settings of the data that differ from those of the study
CURVES: dict[str, dict[str, Changes]] = {  # by dose; the study itself where nothing is changed
    UNLABELLED: {str(items): {"unlabelled_items": items} for items in (50, 150, 500)} | {"1600": {}},
    LANGUAGES: {
        "English only": {"train_languages": ("en",)},
        "both languages (half the items)": {"labelled_items": 300},
        "both languages": {},
    },
    NOISE: {"0": {}} | {str(share): {"train_label_noise": share} for share in (0.1, 0.2, 0.35)},
}


def varied(changes: Changes) -> Profile:
    """The profile with changed data and as many updates, the arms of the curves alone, and fewer seeds."""
    some = profile.load(PROFILE)
    data = Data(**(some.data.model_dump() | dict(changes)))
    few = some.student.model_copy(update={"seeds": some.student.seeds[:SEEDS]})
    chosen = {arm: some.controls[arm] for arm in CONTROLS}
    start = some.model_copy(update={"data": data, "student": few, "controls": chosen, "ablations": {}})
    settings = {
        spec.arm: _with_equal_updates(spec.hyperparameters, spec.arm, some.data, data)
        for spec in expand(start).values()
        if spec.arm not in FLOORS
    }
    return start.model_copy(
        update={
            "teacher": some.teacher.model_copy(update={"hyperparameters": settings[TEACHER]}),
            "tuned": {arm: settings[arm] for arm in (BASELINE, DISTILLED, TRANSFER)},
            "controls": {
                arm: each.model_copy(update={"hyperparameters": settings[arm]})
                for arm, each in chosen.items()
            },
        }
    )


def _with_equal_updates(settings: Settings, arm: str, before: Data, after: Data) -> Settings:
    """Settings with so many epochs that an arm makes about as many updates as with the data ``before``."""
    rows = [rows_per_split(data) for data in (before, after)]
    splits = ["train"] if arm in (TEACHER, BASELINE, DISTILLED) else ["train", UNLABELLED_SPLIT]
    fewer = sum(rows[0][split] for split in splits) / sum(rows[1][split] for split in splits)
    return {**settings, EPOCHS: round(settings[EPOCHS] * fewer)}


def arms_at(curve: str, changes: Changes) -> Arms:
    """The runs at one dose; missing ones are trained."""
    arms = study_of(changes).get_or_train_arms(*(arm for arm in ARMS if arm != ALL_LABELS))
    # apart from the number of rows, nothing that varies here changes the true labels of all rows
    truth = study_of(changes if curve == UNLABELLED else {}).get_or_train_arms(ALL_LABELS)
    return Arms({**arms, ALL_LABELS: truth[ALL_LABELS]}).only(*ARMS)


def study_of(changes: Changes) -> Study:
    return Study(varied(changes), open_store(), train_in_processes)


def arms_without_unlabelled_rows() -> Arms:
    """The first point of the curve over rows without labels: runs of the study."""
    study = Study(profile.load(PROFILE), open_store(), train_in_processes)
    arms = study.get_or_train_arms(TEACHER, BASELINE, DISTILLED)
    few = {arm: runs[:SEEDS] for arm, runs in arms.items()}
    few |= {arm: few[stand_in] for arm, stand_in in WITHOUT_UNLABELLED_ROWS.items()}
    return Arms({arm: few[arm] for arm in ARMS})


def main() -> None:
    record = {}
    for curve, doses in CURVES.items():
        arms = {dose: (changes, arms_at(curve, changes)) for dose, changes in doses.items()}
        if curve == UNLABELLED:
            arms = {"0": ({}, arms_without_unlabelled_rows()), **arms}
        record[curve] = [point.model_dump() for point in curves.summarize(arms)]
    RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
