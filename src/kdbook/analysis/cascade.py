"""A cascade: the student passes the rows on which it is least confident to its teacher."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kdbook.analysis import bootstrap
from kdbook.analysis.estimates import Verdict
from kdbook.analysis.metrics import accuracy
from kdbook.analysis.predictions import aligned, on_test, probabilities
from kdbook.settings.data import ALL
from kdbook.study.arms import Arms

SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)


def cascade(student: pd.DataFrame, teacher: pd.DataFrame, share: float) -> pd.DataFrame:
    """Predictions of a cascade in which the teacher predicts the ``share`` of least confident rows.

    Both frames are :attr:`kdbook.store.run.Run.predictions` of the same test rows.
    """
    own, other = aligned(student, teacher)
    confidence = probabilities(own).max(axis=1)
    passed_on = np.zeros(len(own), bool)
    passed_on[np.argsort(confidence, kind="stable")[: round(share * len(own))]] = True
    return own.assign(prediction=own["prediction"].mask(passed_on, other["prediction"]))


def cascade_table(arms: Arms, shares: Sequence[float] = SHARES) -> pd.DataFrame:
    """Accuracy of the cascade by share of rows that the teacher predicts, a column for each student."""
    return pd.DataFrame(
        {
            student.name: [
                accuracy(cascade(student.predictions, arms.teacher_of(student).predictions, share))[ALL]
                for share in shares
            ]
            for student in arms.distilled
        },
        index=pd.Index(shares, name="share"),
    )


def gap_closed(table: pd.DataFrame, arms: Arms) -> pd.DataFrame:
    """Mean accuracy by share of rows passed on, and the share of the gap to the teacher that is closed.

    ``table`` is that of :func:`cascade_table` for some arms. Where no gap is shown, the share is missing: it
    would be a ratio to noise.
    """
    accuracies = table.mean(axis=1)
    alone, teacher = accuracies.iloc[0], accuracies.iloc[-1]
    teachers = on_test(ALL, arms.teachers_of(arms.distilled_arm))
    lead = bootstrap.difference(on_test(ALL, arms.distilled), teachers)
    is_shown = lead.verdict is Verdict.BETTER
    closed = (accuracies - alone) / (teacher - alone) if is_shown else np.nan
    rows = pd.DataFrame({"accuracy": accuracies, "share of the gap closed": closed})
    return rows.set_axis([f"{share:.0%}" for share in table.index]).rename_axis(None)
