"""Train the study of MASSIVE and keep its results: ``make massive``.

The rows come from the hub, or from ``KDBOOK_DATA``, a directory with ``en/train.tsv`` and so on, with columns ``id``,
``text`` and ``intent``. Kept are ids, labels, predictions and probabilities, never texts.
"""

from pathlib import Path

import pandas as pd

from kdbook.data import texts
from kdbook.execution.local import train_in_processes
from kdbook.settings import environment, profile
from kdbook.settings.profile import Profile
from kdbook.store.location import open_store
from kdbook.study import kept
from kdbook.study.study import Study

PROFILES = ("massive", "massive-both")
FOLDER = Path(__file__).parents[1] / kept.FOLDER
LABEL_IN_FILES = "intent"


def with_files(some: Profile, folder: str | None) -> Profile:
    """The profile with the rows of a folder instead of the hub's."""
    if not folder:
        return some
    assert some.data.columns
    columns = some.data.columns.model_copy(update={"label": LABEL_IN_FILES})
    data = some.data.model_copy(update={"source": str(Path(folder).absolute()), "columns": columns})
    return some.model_copy(update={"data": data})


def repeated(study: Study) -> pd.Series:
    """Whether the text of a test row is that of a training row, of the data set's and not only the study's."""
    columns = ["language", *texts(study.data["test"])]
    train = study.data.audits["train"].kept[columns].drop_duplicates()
    marked = study.data["test"].merge(train.assign(repeated=True), "left", columns)
    return marked.set_index(["id", "language"])["repeated"].notna()


def keep(study: Study) -> None:
    arms = study.get_or_train_arms()
    runs = [run for of_arm in arms.values() for run in of_arm]
    facts = {"rows": study.data.sizes().to_dict(), "notes": list(study.data.notes)}
    kept.write(FOLDER / f"{study.profile.name}.parquet", runs, study.data.classes, facts, repeated(study))


def main() -> None:
    for name in PROFILES:
        keep(Study(with_files(profile.load(name), environment.read().data), open_store(), train_in_processes))


if __name__ == "__main__":
    main()
