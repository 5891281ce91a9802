"""Real AutoMM fits of the smoke profile."""

import os
import shutil
import subprocess
import sys
import time
import tomllib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import kdbook

from kdbook import evaluate, profile, study, train
from kdbook.store import Store


def test_every_run_is_trained(smoke):
    assert smoke.missing() == []
    assert {row.state for row in smoke.status()} == {"current"}


def test_predictions_cover_the_test_rows_once(smoke):
    wanted = smoke.data["test"][["id", "language", "label"]]
    for _, run in smoke.finished():
        found = run.predictions
        pd.testing.assert_frame_equal(found[["id", "language", "label"]], wanted.reset_index(drop=True), check_dtype=False)
        assert found["probability"].between(0, 1).all()
        assert (found["prediction"] == (found["probability"] > 0.5)).all()


def test_measurements_are_there_and_plausible(smoke):
    teacher, student, distilled = (smoke.run(name).record for name in ("teacher", "baseline", "distilled"))
    assert teacher["parameters"]["backbone"] > 5 * student["parameters"]["backbone"]
    assert student["parameters"] == distilled["parameters"]
    for record in (teacher, student, distilled):
        assert record["fit_seconds"] > 0
        assert record["predict_seconds"]["all"] == pytest.approx(sum(record["predict_seconds"][lang] for lang in ("en", "de")))
        assert record["parameters"]["total"] == record["parameters"]["embeddings"] + record["parameters"]["backbone"]
        assert record["peak_bytes"] > record["predictor_bytes"] > 4 * record["parameters"]["total"]
        for size in ("1", "32"):
            for part in ("tokenize", "forward"):
                assert 0 < record["latency"][size][part]["median"] <= record["latency"][size][part]["p95"]
    assert teacher["latency"]["32"]["forward"]["median"] > student["latency"]["32"]["forward"]["median"]
    assert smoke.run("rkd").record["latency"] is None
    assert len(smoke.run("teacher").history) == 1


def test_training_rows_are_predicted_as_well(smoke):
    for _, run in smoke.finished():
        assert set(run.train_predictions["id"]) == set(smoke.data["train"]["id"])
        assert list(run.train_predictions) == list(run.predictions)


def test_distillation_changes_the_student_and_not_the_teacher(smoke):
    baseline, distilled = smoke.run("baseline").predictions, smoke.run("distilled").predictions
    assert not np.allclose(baseline["probability"], distilled["probability"])
    names = set(_weights(smoke.run("teacher")))
    assert names and not any("teacher" in name for name in names)


def test_a_distilled_run_does_not_keep_the_teacher(smoke):
    assert set(_weights(smoke.run("distilled"))) == set(_weights(smoke.run("baseline")))
    kept = {path.name for path in smoke.run("distilled").predictor.rglob("*") if path.is_file()}
    assert not {name for name in kept if name.endswith(".ckpt")} - {"model.ckpt"}


def test_the_model_sees_sentences_only(smoke):
    config = (smoke.run("baseline").predictor / "config.yaml").read_text()
    assert "fusion" not in config.split("data:")[0].split("names:")[1].split("-")[1]


def test_every_variation_differs_from_the_distilled_student(smoke):
    plain = smoke.run("distilled").predictions["probability"]
    for arm in ("shuffled", "temperature", "rkd"):
        assert not np.allclose(plain, smoke.run(arm).predictions["probability"])


def test_a_retrained_run_is_the_same(smoke, tmp_path):
    again = study.Study(profile.load("smoke"), Store(tmp_path)).run("baseline")
    assert again.key == smoke.run("baseline").key
    np.testing.assert_allclose(again.predictions["probability"], smoke.run("baseline").predictions["probability"], atol=1e-5)


@pytest.fixture(scope="module")
def three_epochs(tmp_path_factory) -> Path:
    """A profile whose fits can be interrupted between epochs: one teacher, one baseline, one distilled student."""
    text = (files("kdbook") / "profiles" / "smoke.toml").read_text("utf-8").partition("[controls")[0]
    table = tomllib.loads(text)
    text = text.replace(f"optim.max_epochs = {table['hyperparameters']['optim']['max_epochs']}", "optim.max_epochs = 3")
    path = tmp_path_factory.mktemp("profile") / "three-epochs.toml"
    path.write_text(text.replace("seeds = [0, 1]", "seeds = [0]"), "utf-8")
    return path


def test_a_killed_run_goes_on_after_its_last_epoch_and_ends_as_it_would_have(three_epochs, tmp_path):
    kdbook("run", "--profile", str(three_epochs), store=tmp_path / "whole")
    whole = study.Study(profile.load(str(three_epochs)), Store(tmp_path / "whole"))
    killed = study.Study(profile.load(str(three_epochs)), Store(tmp_path / "killed"))
    shutil.copytree(whole.run("teacher").path, killed.store.root / whole.run("teacher").key)
    shutil.copytree(whole.run("baseline").path, killed.store.root / whole.run("baseline").key)
    _kill_after_an_epoch(three_epochs, killed.store, key := killed.key(killed.specs["distilled-0"]))
    row = {row.name: row for row in killed.status()}["distilled-0"]
    assert row.state == "interrupted" and "after epoch" in row.reason
    done = kdbook("run", "--profile", str(three_epochs), store=killed.store.root)
    assert "goes on after epoch" in done.stderr and done.stderr.count("finished in") == 1
    run, expected = Store(killed.store.root).get(key), whole.run("distilled")
    assert run and run.record["interruptions"] == 1
    np.testing.assert_array_equal(run.predictions["probability"], expected.predictions["probability"])
    assert run.history["epoch"].tolist() == expected.history["epoch"].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(run.history["train_loss"], expected.history["train_loss"])


def _kill_after_an_epoch(path: Path, store: Store, key: str) -> None:
    command = [sys.executable, "-m", "kdbook.cli", "run", "--profile", str(path)]
    process = subprocess.Popen(command, env=os.environ | {"KDBOOK_STORE": str(store.root)}, stderr=subprocess.DEVNULL)
    predictor = store.root / "partial" / key / "predictor"
    while not train._can_be_read(predictor / "last.ckpt") and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.wait()
    while store.in_use(key):  # until the worker has noticed
        time.sleep(0.005)
    assert store.interrupted(key) is not None


def test_two_commands_at_once_train_each_run_once(three_epochs, tmp_path):
    command = [sys.executable, "-m", "kdbook.cli", "run", "--profile", str(three_epochs)]
    settings = os.environ | {"KDBOOK_STORE": str(tmp_path)}
    both = [subprocess.Popen(command, env=settings, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = "".join(process.communicate()[1] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert said.count("finished in") == 3
    assert "waiting for another process that trains teacher-0" in said


def test_an_unreadable_checkpoint_starts_the_run_again(smoke, tmp_path):
    some = study.Study(profile.load("smoke"), Store(tmp_path))
    spec = some.specs["baseline-0"]
    predictor = tmp_path / "partial" / some.key(spec) / "predictor"
    predictor.mkdir(parents=True)
    (predictor / "last.ckpt").write_bytes(b"cut off")
    (predictor / "epoch=0-step=4.ckpt").write_bytes(b"")
    run = some.train(spec)
    assert run.record["interruptions"] == 0
    np.testing.assert_allclose(run.predictions["probability"], smoke.run("baseline").predictions["probability"], atol=1e-5)


def test_results_match_the_predictions(smoke):
    for row in evaluate.results(smoke)["runs"]:
        predictions = smoke.run(row["name"]).predictions
        german = predictions[predictions["language"] == "de"]
        assert row["accuracy"]["de"] == (german["label"] == german["prediction"]).mean()


def _weights(run) -> list[str]:
    import torch

    return list(torch.load(run.predictor / "model.ckpt", weights_only=True)["state_dict"])
