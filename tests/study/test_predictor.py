"""AutoMM's predictor of a run, as a page uses it."""

import pytest

from kdbook.data import inputs
from kdbook.errors import KdbookError
from kdbook.stats.metrics import accuracy
from kdbook.store import archive
from kdbook.store.local import Store
from kdbook.study.study import Study


@pytest.mark.training
def test_a_predictor_evaluates_as_its_run_did_and_prints_nothing(smoke, capfd):
    predictor = smoke.predictor("baseline")
    rows = smoke.data.test_dfs["de"]
    metrics = predictor.evaluate(rows[inputs(rows)], metrics=["accuracy"])
    assert metrics["accuracy"] == pytest.approx(accuracy(smoke.get_or_train("baseline").predictions)["de"])
    assert "ckpt" not in "".join(capfd.readouterr())


@pytest.mark.training
def test_a_predictor_from_another_machine_is_loaded_only_if_that_is_trusted(smoke, tmp_path):
    archive.export([smoke.get_or_train("baseline")], tmp_path / "run.zip")
    store = Store(tmp_path / "store")
    archive.import_runs(tmp_path / "run.zip", store)
    with pytest.raises(KdbookError, match="import it again with: kdbook import --trust"):
        Study(smoke.profile, store).predictor("baseline")
