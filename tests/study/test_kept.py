"""Kept results are those of the runs that they come from, without texts."""

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet
from runs import make_arms

from kdbook.errors import KdbookError
from kdbook.pages import tables
from kdbook.study import kept


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with kept results of simulated runs, as that of a notebook."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    arms = make_arms(tmp_path / "runs", 0.9, 0.6, 0.7, seeds=2)
    runs = [run for of_arm in arms.values() for run in of_arm]
    kept.write(tmp_path / "kept" / "some.parquet", runs, ("no", "yes"), {"rows": {"test": 3}})
    return arms


def test_what_is_kept_is_read_again(folder):
    again = kept.read("some")
    assert again.classes == ("no", "yes") and again.facts == {"rows": {"test": 3}}
    assert [*again.arms] == [*folder]
    for arm, runs in folder.items():
        for before, after in zip(runs, again.arms[arm], strict=True):
            assert (after.name, after.seed, after.metric) == (before.name, before.seed, before.metric)
            assert after.key == before.record.identity.key
            columns = ["id", "language", "label", "prediction"]
            pd.testing.assert_frame_equal(
                after.predictions[columns], before.predictions[columns], check_dtype=False
            )
            shares = [run.predictions.filter(like="probability_") for run in (before, after)]
            assert np.abs(shares[0] - shares[1]).to_numpy().max() <= 0.5 / kept.STEPS + 1e-9


def test_tables_of_kept_runs_are_those_of_the_runs(folder):
    pd.testing.assert_frame_equal(tables.summary_table(kept.read("some").arms), tables.summary_table(folder))


def test_no_text_is_kept(folder):
    columns = set(parquet.read_schema(kept.locate("some")).names)
    assert columns == {"run", "id", "language", "label", "prediction", "probability_0", "probability_1"}


def test_results_are_found_from_the_project_and_from_a_chapter(folder, tmp_path, monkeypatch):
    (tmp_path / "book").mkdir()
    (tmp_path / "kept").rename(tmp_path / "book" / "kept")
    for place in (tmp_path, tmp_path / "book"):
        monkeypatch.chdir(place)
        assert kept.read("some").classes == ("no", "yes")


def test_missing_results_are_explained(folder):
    with pytest.raises(KdbookError, match=r"there is no kept/others.parquet here"):
        kept.read("others")


def test_what_code_reads_is_known():
    code = 'a = kept.read("some")\\nb, c = kept.read("others"), kept.read("some")\\nkept.read(name)'
    assert kept.names_in(code) == ["some", "others"]
