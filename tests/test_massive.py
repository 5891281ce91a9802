"""The kept results of MASSIVE are those of the present code and settings, and hold no text."""

import os
from pathlib import Path

import pytest
from helpers import bench_module

from kdbook.settings import profile
from kdbook.store.local import Store
from kdbook.study import kept
from kdbook.study.study import Study

bench = bench_module("massive")
COLUMNS = {"id", "language", "label", "prediction", "repeated"}


@pytest.fixture(scope="module", params=bench.PROFILES)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def results(name) -> kept.KeptStudy:
    return kept.read(name)


@pytest.mark.training
def test_every_run_has_the_key_that_it_would_get_today(name, results, tmp_path, monkeypatch):
    """With the same rows, whose hashes are in the records."""
    runs = {run.name: run for of_arm in results.arms.values() for run in of_arm}
    digests = {run.record.spec.rows: run.record.identity.data for run in runs.values()}
    monkeypatch.setattr(Study, "data_digest", lambda study, rows: digests[rows])
    study = Study(profile.load(name), Store(tmp_path))
    assert {run.name: run.key for run in runs.values()} == {
        spec.name: study.resolve(spec).key for spec in study.specs.values()
    }


def test_every_arm_is_complete(name, results):
    some = profile.load(name)
    assert list(results.arms) == [*some.main_arms, *some.floors, *some.controls]
    assert len(results.arms.teachers) >= 3
    assert all(len(results.arms[arm]) >= 5 for arm in some.main_arms[1:])


def test_every_test_row_is_predicted_and_none_shows_a_text(results):
    for runs in results.arms.values():
        for run in runs:
            rows = run.predictions
            assert rows["language"].value_counts().to_dict() == {"en": 2974, "de": 2974}
            assert {name for name in rows if not name.startswith("probability_")} == COLUMNS
            assert rows["id"].str.fullmatch(r"\d+").all()
    repeated = rows.groupby("language")["repeated"].sum()
    assert repeated.to_dict() == {"en": 21, "de": 115}  # as the maintainers of the data counted them


@pytest.mark.skipif("KDBOOK_MASSIVE" not in os.environ, reason="needs a copy of MASSIVE in KDBOOK_MASSIVE")
def test_the_rows_of_a_copy_have_the_recorded_hashes(name, results):
    some = bench.with_files(profile.load(name), str(Path(os.environ["KDBOOK_MASSIVE"])))
    data = Study(some, None).data
    for runs in results.arms.values():
        for run in runs:
            assert data.digest(run.record.spec.rows) == run.record.identity.data
