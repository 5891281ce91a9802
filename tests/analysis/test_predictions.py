"""Predictions of several runs belong together only on the same rows."""

import pytest
from runs import predictions

from kdbook.analysis.predictions import ensemble


def test_the_order_of_rows_does_not_matter_to_an_ensemble():
    one = predictions([("en", 0, 0), ("en", 1, 1)])
    other = predictions([("en", 0, 1), ("en", 1, 1)])
    assert ensemble([one, other.iloc[::-1]]).equals(ensemble([one, other]))


def test_runs_on_other_rows_have_no_ensemble():
    rows = predictions([("en", 0, 0), ("en", 1, 1)])
    with pytest.raises(ValueError, match="same rows"):
        ensemble([rows, rows.assign(id=rows["id"] + 1)])
