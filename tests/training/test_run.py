"""Real AutoMM fits of the smoke profile."""

import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from helpers import fit_settings, kdbook, wait_until

from kdbook.execution.schedule import train_in_process
from kdbook.settings import metrics, profile
from kdbook.stats import results
from kdbook.store.local import Store
from kdbook.study.status import State
from kdbook.study.study import Study
from kdbook.training.fit import fit
from kdbook.training.resume import HistoryCallback, _is_readable

pytestmark = pytest.mark.training


def test_every_run_is_trained(smoke):
    assert smoke.missing() == []
    assert {row.state for row in smoke.status()} == {State.CURRENT}


def test_predictions_cover_the_test_rows_once(smoke):
    wanted = smoke.data["test"][["id", "language", "label"]]
    for _, run in smoke.completed_runs():
        rows = run.predictions
        pd.testing.assert_frame_equal(rows[list(wanted)], wanted.reset_index(drop=True), check_dtype=False)
        shares = rows[["probability_0", "probability_1"]].to_numpy()
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
        assert (shares >= 0).all()
        assert (rows["prediction"] == shares.argmax(axis=1)).all()


def test_measurements_are_plausible(smoke):
    names = ("teacher", "baseline", "distilled")
    teacher, student, distilled = (smoke.get_or_train(name).measurements for name in names)
    assert teacher.parameters.backbone > 5 * student.parameters.backbone
    assert student.parameters == distilled.parameters
    for each in (teacher, student, distilled):
        assert each.fit_seconds > 0
        assert each.predict_seconds["all"] == pytest.approx(
            sum(each.predict_seconds[name] for name in ("en", "de"))
        )
        assert each.parameters.total == each.parameters.embeddings + each.parameters.backbone
        assert each.peak_bytes > each.predictor_bytes > 4 * each.parameters.total
        for size in (1, 32):
            for part in (each.latency[size].tokenize, each.latency[size].forward):
                assert 0 < part.median <= part.p95
    assert teacher.latency[32].forward.median > student.latency[32].forward.median
    assert smoke.get_or_train("rkd").measurements.latency is None
    assert len(smoke.get_or_train("teacher").history) == 1


@pytest.mark.parametrize("metric", ["balanced accuracy", "macro-F1"])
def test_the_epoch_with_the_highest_score_of_the_metric_is_kept(smoke, tmp_path, metric):
    """AutoMM's validation gives the score of the metric itself, and the kept weights are those of its best epoch."""
    settings = replace(fit_settings(smoke, "baseline-0", **{"optim.max_epochs": 3}), metric=metric)
    rows = smoke.data["validation"]
    rare = rows.drop(rows[rows["label"] == 1].index[4:])
    callback = HistoryCallback(lambda progress: None, lambda checkpoint: None)
    predictor = fit(tmp_path / "fit", smoke.data["train"], rare, settings, callbacks=[callback])
    predicted = predictor.predict(rare[["sentence1", "sentence2"]], as_pandas=False)
    kept = metrics.score(rare["label"].to_numpy(), predicted, metric)
    scores = [row["validation_score"] for row in callback.history]
    assert len(scores) == 3 and kept == pytest.approx(max(scores), abs=1e-6)


def test_training_rows_are_predicted_as_well(smoke):
    for _, run in smoke.completed_runs():
        assert set(run.train_predictions["id"]) == set(smoke.data["train"]["id"])
        assert list(run.train_predictions) == list(run.predictions)


def test_distillation_changes_the_student_and_not_the_teacher(smoke):
    baseline, distilled = (
        smoke.get_or_train("baseline").predictions,
        smoke.get_or_train("distilled").predictions,
    )
    assert not np.allclose(baseline["probability_1"], distilled["probability_1"])
    names = set(_weights(smoke.get_or_train("teacher")))
    assert names and not any("teacher" in name for name in names)


def test_a_distilled_run_does_not_keep_the_teacher(smoke):
    assert set(_weights(smoke.get_or_train("distilled"))) == set(_weights(smoke.get_or_train("baseline")))
    files = {path.name for path in smoke.get_or_train("distilled").predictor.rglob("*") if path.is_file()}
    assert not {name for name in files if name.endswith(".ckpt")} - {"model.ckpt"}


def test_the_model_sees_sentences_only(smoke, tmp_path):
    """Also where the frame has an id, of which AutoMM would make a feature and add a fusion model."""
    config = yaml.safe_load((smoke.get_or_train("baseline").predictor / "config.yaml").read_text("utf-8"))
    assert config["model"]["names"] == ["hf_text"]
    rows = smoke.data["train"].head(32)
    assert "id" in rows
    settings = fit_settings(smoke, "baseline-0")
    predictor = fit(tmp_path / "fit", rows.assign(id=range(32)), smoke.data["validation"], settings)
    assert set(predictor._learner._column_types) == {"sentence1", "sentence2", "label"}


def test_every_variation_differs_from_the_distilled_student(smoke):
    plain = smoke.get_or_train("distilled").predictions["probability_1"]
    for arm in ("shuffled", "temperature", "rkd"):
        assert not np.allclose(plain, smoke.get_or_train(arm).predictions["probability_1"])


def test_a_retrained_run_is_the_same(smoke, tmp_path):
    again = Study(profile.load("smoke"), Store(tmp_path), train_in_process).get_or_train("baseline")
    assert again.key == smoke.get_or_train("baseline").key
    np.testing.assert_allclose(
        again.predictions["probability_1"],
        smoke.get_or_train("baseline").predictions["probability_1"],
        atol=1e-5,
    )


@pytest.fixture(scope="module")
def three_epochs(tmp_path_factory) -> Path:
    """A profile whose fits can be interrupted between epochs: one teacher, one baseline, one distilled student."""
    text = (
        (files("kdbook") / "settings" / "profiles" / "smoke.toml")
        .read_text("utf-8")
        .partition("[controls")[0]
    )
    table = tomllib.loads(text)
    text = text.replace(
        f"optim.max_epochs = {table['hyperparameters']['optim']['max_epochs']}", "optim.max_epochs = 3"
    )
    path = tmp_path_factory.mktemp("profile") / "three-epochs.toml"
    text = text.replace("labelled_items = 40\n", "")
    path.write_text(text.replace("seeds = [0, 1]", "seeds = [0]"), "utf-8")
    return path


def test_a_killed_run_goes_on_after_its_last_epoch_and_ends_as_it_would_have(three_epochs, tmp_path):
    kdbook("run", "--profile", str(three_epochs), "--jobs", "1", store=tmp_path / "whole")
    whole = Study(profile.load(str(three_epochs)), Store(tmp_path / "whole"), train_in_process)
    key = whole.resolve(whole.specs["distilled-0"]).key
    shutil.copytree(whole.store.root, tmp_path / "killed")
    shutil.rmtree(tmp_path / "killed" / key)
    killed = Study(profile.load(str(three_epochs)), Store(tmp_path / "killed"), train_in_process)
    _kill_after_an_epoch(three_epochs, killed.store, key)
    row = {row.name: row for row in killed.status()}["distilled-0"]
    assert row.state == "interrupted" and "after epoch" in row.reason
    done = kdbook("run", "--profile", str(three_epochs), "--jobs", "1", store=killed.store.root)
    assert "continues after epoch" in done.stderr and done.stderr.count("finished in") == 1
    run, expected = Store(killed.store.root).get(key), whole.get_or_train("distilled")
    assert run and run.measurements.interruptions == 1
    np.testing.assert_array_equal(run.predictions["probability_1"], expected.predictions["probability_1"])
    assert run.history["epoch"].tolist() == expected.history["epoch"].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(run.history["train_loss"], expected.history["train_loss"])


def _kill_after_an_epoch(path: Path, store: Store, key: str) -> None:
    command = [sys.executable, "-m", "kdbook.cli", "run", "--profile", str(path)]
    process = subprocess.Popen(
        command, env=os.environ | {"KDBOOK_STORE": str(store.root)}, stderr=subprocess.DEVNULL
    )
    last = store.root / "partial" / key / "predictor" / "last.ckpt"
    wait_until(lambda: _is_readable(last) or process.poll() is not None, interval=0.005)
    process.kill()
    process.wait()
    wait_until(lambda: not store.is_locked(key), interval=0.005)  # until the worker has noticed
    assert store.interrupted(key) is not None


def test_two_commands_at_once_train_each_run_once(three_epochs, tmp_path):
    command = [sys.executable, "-m", "kdbook.cli", "run", "--profile", str(three_epochs)]
    settings = os.environ | {"KDBOOK_STORE": str(tmp_path)}
    both = [subprocess.Popen(command, env=settings, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = "".join(process.communicate()[1] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    runs = Study(profile.load(str(three_epochs)), Store(tmp_path), train_in_process).specs
    assert errors.count("finished in") == len(runs)
    assert "waiting for another process that trains teacher-0" in errors


def test_an_unreadable_checkpoint_starts_the_run_again(smoke, tmp_path):
    some = Study(profile.load("smoke"), Store(tmp_path), train_in_process)
    spec = some.specs["baseline-0"]
    predictor = tmp_path / "partial" / some.resolve(spec).key / "predictor"
    predictor.mkdir(parents=True)
    (predictor / "last.ckpt").write_bytes(b"cut off")
    (predictor / "epoch=0-step=4.ckpt").write_bytes(b"")
    assert some.train(spec)
    run = some.get_or_train("baseline-0")
    assert run.measurements.interruptions == 0
    np.testing.assert_allclose(
        run.predictions["probability_1"],
        smoke.get_or_train("baseline").predictions["probability_1"],
        atol=1e-5,
    )


def test_a_run_that_the_store_has_is_not_trained(smoke):
    """As when another process finishes it after this one found it missing."""
    assert not smoke.train(smoke.specs["baseline-0"])


def test_results_match_the_predictions(smoke):
    for row in results.summary(smoke)["runs"]:
        predictions = smoke.get_or_train(row["name"]).predictions
        german = predictions[predictions["language"] == "de"]
        assert row["scores"]["de"] == pytest.approx((german["label"] == german["prediction"]).mean())


def _weights(run) -> list[str]:
    import torch

    return list(torch.load(run.predictor / "model.ckpt", weights_only=True)["state_dict"])
