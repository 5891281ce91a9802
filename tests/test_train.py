"""Real AutoMM fits of the smoke profile."""

import numpy as np
import pandas as pd
import pytest

from kdbook import evaluate, profile, study
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
    assert len(smoke.run("teacher").history) == 1


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


def test_every_ablation_differs_from_the_distilled_student(smoke):
    plain = smoke.run("distilled").predictions["probability"]
    for arm in ("temperature", "softmax-regression", "rkd"):
        assert not np.allclose(plain, smoke.run(arm).predictions["probability"])


def test_a_retrained_run_is_the_same(smoke, tmp_path):
    again = study.Study(profile.load("smoke"), Store(tmp_path)).run("baseline")
    assert again.key == smoke.run("baseline").key
    np.testing.assert_allclose(again.predictions["probability"], smoke.run("baseline").predictions["probability"], atol=1e-5)


def test_results_match_the_predictions(smoke):
    for row in evaluate.results(smoke)["runs"]:
        predictions = smoke.run(row["name"]).predictions
        german = predictions[predictions["language"] == "de"]
        assert row["accuracy"]["de"] == (german["label"] == german["prediction"]).mean()


def _weights(run) -> list[str]:
    import torch

    return list(torch.load(run.predictor / "model.ckpt", weights_only=True)["state_dict"])
