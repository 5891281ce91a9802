"""How much of the task the frozen encoders of a study already know, as a page shows it."""

import warnings

import pandas as pd

from kdbook.data import TextData
from kdbook.encoders import checkpoints
from kdbook.pages import tables
from kdbook.settings.data import GENERATED
from kdbook.study.study import Study

ITEMS = 50  # labelled items of a probe
TEST_ROWS = 2000  # at most, since large encoders take seconds for each batch


def probe_table(study: Study) -> pd.DataFrame:
    """Mean accuracy on test rows of probes with the labels of :data:`ITEMS` items, a row for each encoder.

    For the generated corpus by meaning; pairs with an edit that was held out of the pretraining of the
    compact encoders are a group of their own. The labelled items are drawn from all training rows, those
    included whose labels the study hides.
    """
    data = study.data
    rows = data.pool()
    if "true_label" in rows:
        rows = rows.assign(label=rows["label"].fillna(rows["true_label"]))
    labelled = rows[rows["label"].notna()]
    test, groups = _test_rows(data)
    names = {"teacher": study.profile.teacher.checkpoint, "student": study.profile.student.checkpoint}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what libraries say about themselves is no part of a page
        from kdbook.encoders import probe  # imports torch, which takes seconds

        items = max(1, min(ITEMS, labelled["id"].nunique() // probe.DRAWS))
        results = {
            arm: probe.probe(checkpoints.locate(name).path, labelled, test, groups, items)
            for arm, name in names.items()
        }
    return pd.DataFrame(results).T.rename_axis(columns=None)


def _test_rows(data: TextData) -> tuple[pd.DataFrame, pd.Series]:
    """The rows that probes are tested on, and the group of each."""
    test = data["test"].sample(min(TEST_ROWS, len(data["test"])), random_state=0)
    if data.source != GENERATED:
        return test, pd.Series("test rows", index=test.index)
    return test, tables.kinds_of(test).replace(tables.SWAPPED, tables.OTHER_EDITS)
