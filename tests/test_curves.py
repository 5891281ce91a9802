"""The kept results of the curves are those of the present code, data and settings, and of the study that the book shows."""

import pytest
from helpers import bench_module

from kdbook.pages import curves
from kdbook.settings import profile
from kdbook.store.local import Store
from kdbook.study.study import Study

bench = bench_module("curves")
RECORD = curves.load(bench.PROFILE)
DOSES = [(curve, point) for curve, points in RECORD.items() for point in points]


@pytest.mark.training
@pytest.mark.parametrize(("curve", "point"), DOSES, ids=[f"{curve}-{point.dose}" for curve, point in DOSES])
def test_every_run_has_the_key_that_it_would_get_today(curve, point, tmp_path):
    if (curve, point.dose) == (curves.UNLABELLED, "0"):
        studies = [Study(profile.load(bench.PROFILE), Store(tmp_path))]
    else:
        assert bench.CURVES[curve][point.dose].keys() == point.changes.keys()
        studies = [Study(bench.varied(changes), Store(tmp_path)) for changes in (point.changes, {})]
    keys = {study.resolve(spec).key for study in studies for spec in study.specs.values()}
    assert set(point.keys.values()) <= keys


def test_every_point_has_the_same_number_of_runs():
    for curve, point in DOSES:
        arms = 3 if (curve, point.dose) == (curves.UNLABELLED, "0") else len(bench.ARMS) - 1
        assert len(point.keys) == bench.SEEDS * arms + 1  # and the linear model
        assert list(point.accuracy) == list(bench.ARMS)


def test_nothing_but_data_and_epochs_differs_from_the_study():
    study = Study(profile.load(bench.PROFILE), None).specs
    for doses in bench.CURVES.values():
        for changes in doses.values():
            for spec in Study(bench.varied(changes), None).specs.values():
                same = study[spec.name]
                assert (
                    spec.checkpoint == same.checkpoint
                    and spec.lesson == same.lesson
                    and spec.seed == same.seed
                )
                differing = {
                    key
                    for key in spec.hyperparameters.keys() | same.hyperparameters.keys()
                    if spec.hyperparameters.get(key) != same.hyperparameters.get(key)
                }
                assert differing <= {bench.EPOCHS}
                assert differing == set() or changes
