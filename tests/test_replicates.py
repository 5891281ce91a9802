"""The kept replicates are all that were planned, and those of the present code, data and settings."""

import pytest
from helpers import bench_module

from kdbook.settings import profile, replicates
from kdbook.store.local import Store
from kdbook.study.study import Study

bench, tuning = bench_module("replicates"), bench_module("tuning")
KEPT = replicates.load(bench.PROFILE)


def test_every_replicate_is_kept_with_every_arm():
    assert [each.seed for each in KEPT] == list(bench.SEEDS)
    for each in KEPT:
        assert list(each.accuracy) == list(bench.ARMS)
        assert {name.rpartition("-")[0] for name in each.keys} == set(bench.ARMS)


def test_no_seed_is_that_of_the_study_or_of_the_trials():
    some = profile.load(bench.PROFILE)
    used = {some.data.seed, *some.teacher.seeds, *some.student.seeds, tuning.DATA_SEED, tuning.MODEL_SEED}
    assert not used & set(bench.SEEDS)


@pytest.mark.training  # data of ten seeds are generated
def test_the_replicates_are_those_of_this_code(tmp_path):
    for each in KEPT:
        study = Study(bench.with_everything_new(each.seed), Store(tmp_path))
        assert each.keys == {run.spec.name: run.key for run in study.resolved_runs()}, (
            "run: make confirmation"
        )
