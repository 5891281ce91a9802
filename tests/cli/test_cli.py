"""The command as its user meets it: output, exit codes, one-line errors."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.resources import files

import pytest
from helpers import SMOKE_RUNS, kdbook, kdbook_here
from typer.testing import CliRunner

from kdbook import cli
from kdbook.cli import COMMANDS, app
from kdbook.settings import profile
from kdbook.store.local import Store


@pytest.mark.parametrize(
    ("name", "example"),
    [*((name, example) for name, _, example in COMMANDS), ("data check", "kdbook data check x-final")],
)
def test_help_has_an_example(name, example):
    result = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert f"Example: {example}" in result.stdout
    assert example.startswith(f"kdbook {name}")


@pytest.mark.parametrize(
    ("package", "extra"), [("onnxruntime", "predict"), ("autogluon.multimodal", "train")]
)
def test_a_package_that_is_not_installed_is_named_with_the_extra_that_installs_it(
    monkeypatch, capsys, package, extra
):
    def fail() -> None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err.strip().endswith(f'pip install "kdbook[{extra}]"')


def test_results_json(smoke_store):
    output = json.loads(kdbook_here("results", "--profile", "smoke", "--json", store=smoke_store).stdout)
    assert (output["profile"], output["data"]) == ("smoke", "generated")
    assert [row["name"] for row in output["runs"]][:3] == ["teacher-0", "baseline-0", "baseline-1"]
    wanted = {
        "name": str,
        "arm": str,
        "seed": int,
        "fit_seconds": float,
        "predict_seconds": float,
        "parameters": int,
        "key": str,
    }
    for row in output["runs"]:
        assert all(type(row[key]) is kind for key, kind in wanted.items())
        assert set(row["scores"]) == {"en", "de", "all"}
    assert set(output["comparison"]) == {"en", "de", "all"}
    gain = output["comparison"]["all"]["gain"]
    assert gain["low"] <= gain["value"] <= gain["high"]


def test_no_comparison_before_all_seeds_are_there(tmp_path):
    assert (
        json.loads(kdbook_here("results", "--profile", "smoke", "--json", store=tmp_path).stdout)[
            "comparison"
        ]
        is None
    )


@pytest.mark.parametrize("command", ["status", "results", "verify", "gc", "plan"])
def test_an_empty_store_is_no_error(tmp_path, command):
    done = kdbook_here(command, *(["--profile", "smoke"] if command != "verify" else []), store=tmp_path)
    assert done.stdout or done.stderr


def test_results_name_the_command_that_trains(tmp_path):
    done = kdbook_here("results", "--profile", "smoke", store=tmp_path)
    assert not done.stdout
    assert done.stderr.splitlines()[-1].endswith("kdbook run --profile smoke")


def test_status_and_a_second_run_train_nothing(smoke_store):
    rows = json.loads(kdbook_here("status", "--profile", "smoke", "--json", store=smoke_store).stdout)["runs"]
    assert {row["state"] for row in rows} == {"current"}
    assert "0 to train" in kdbook_here("run", "--profile", "smoke", store=smoke_store).stderr


def test_status_of_an_empty_store_says_missing(tmp_path):
    rows = json.loads(kdbook_here("status", "--profile", "smoke", "--json", store=tmp_path).stdout)["runs"]
    assert {(row["state"], row["reason"], row["seconds"]) for row in rows} == {
        ("missing", "never trained", None)
    }


def test_status_says_what_it_will_take(smoke_store, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(smoke_store, store)
    shutil.rmtree(next(run.path for run in Store(store) if run.name == "baseline-1"))
    shown = kdbook_here("status", "--profile", "smoke", store=store)
    assert re.search(r"baseline-1 .*missing .*about \d+ s", shown.stdout)
    assert "to train: 1, about" in shown.stderr


def test_verify_names_damage_and_run_repairs_it(smoke_store, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(smoke_store, store)
    assert f"{SMOKE_RUNS} runs verified, 0 damaged" in kdbook("verify", store=store).stderr
    run = next(run for run in Store(store) if run.name == "baseline-0")
    weights = run.predictor / "model.ckpt"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    output = json.loads(kdbook("verify", "--json", store=store, expect=1).stdout)
    assert output == {
        "verified": SMOKE_RUNS,
        "damaged": {run.key: ["predictor/model.ckpt was changed"]},
        "not verified": {},
    }
    rows = json.loads(kdbook("status", "--profile", "smoke", "--json", store=store).stdout)["runs"]
    assert {row["name"]: row["state"] for row in rows if row["state"] != "current"} == {
        "baseline-0": "damaged"
    }
    assert (
        "baseline-0: damaged, predictor/model.ckpt was changed"
        in kdbook("run", "--profile", "smoke", store=store).stderr
    )
    assert f"{SMOKE_RUNS} runs verified, 0 damaged" in kdbook("verify", store=store).stderr


def test_runs_move_to_another_machine(smoke_store, tmp_path):
    exported = kdbook("export", str(tmp_path / "runs.zip"), "--profile", "smoke", store=smoke_store)
    assert f"{SMOKE_RUNS} of {SMOKE_RUNS} runs" in exported.stderr
    kdbook("import", str(tmp_path / "runs.zip"), store=tmp_path / "there")
    rows = json.loads(kdbook("status", "--profile", "smoke", "--json", store=tmp_path / "there").stdout)[
        "runs"
    ]
    assert {row["state"] for row in rows} == {"current"}
    there, here = (
        json.loads(kdbook("results", "--profile", "smoke", "--json", store=s).stdout)
        for s in (tmp_path / "there", smoke_store)
    )
    assert there == here


def test_gc_shows_asks_and_removes(smoke_store, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(smoke_store, store)
    assert "nothing to remove" in kdbook("gc", store=store).stderr
    mine = tmp_path / "mine.toml"
    shipped = (files("kdbook") / "settings" / "profiles" / "smoke.toml").read_text("utf-8")
    mine.write_text(shipped.replace("rkd_angle_loss_weight = 2.0", "rkd_angle_loss_weight = 1.0"), "utf-8")
    kdbook("run", "--profile", str(mine), store=store)
    assert (
        "can't be read" in kdbook("gc", store=store).stderr
    )  # its profile can't be found by name, so the run stays
    assert "nothing to remove" in kdbook("gc", "--profile", str(mine), store=store).stderr
    mine.write_text(shipped, "utf-8")
    refused = kdbook("gc", "--profile", str(mine), store=store, expect=1)
    assert "rkd-0" in refused.stdout and len(Store(store).keys()) == SMOKE_RUNS + 1
    assert "removed 1" in kdbook("gc", "--profile", str(mine), "--yes", store=store).stderr
    assert len(Store(store).keys()) == SMOKE_RUNS


def test_reading_does_not_import_automm(smoke_store):
    environment = os.environ | {"KDBOOK_STORE": str(smoke_store)}
    command = [sys.executable, "-X", "importtime", "-m", "kdbook.cli", "results", "--profile", "smoke"]
    imported = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr
    assert "pandas" in imported
    assert not re.search(r"\b(autogluon|torch|transformers|datasets|sphinx)\b", imported)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--profile", "nope"), f"Choose from: {', '.join(profile.names())}"),
        (("data", "check", "nowhere"), "'nowhere' does not exist"),
        (("export", "runs.zip", "--profile", "smoke"), "no finished run"),
        (("import", "nowhere.zip"), "nowhere.zip"),
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, message):
    done = kdbook_here(*arguments, store=tmp_path, expect=1)
    assert message in done.stderr and "Traceback" not in done.stderr and done.stderr.count("\n") == 1


def test_data_check_counts(tmp_path):
    for language, train in (("en", "train.tsv"), ("de", "translated_train.tsv")):
        folder = tmp_path / language
        folder.mkdir()
        for name in (train, "dev_2k.tsv", "test_2k.tsv"):
            text = "id\tsentence1\tsentence2\tlabel\n1\ta\tb\t1\n2\tNS\tNS\t0\n3\ta\tc\t0\n"
            (folder / name).write_text(text)
    splits = json.loads(kdbook_here("data", "check", str(tmp_path), "--json", store=tmp_path / "s").stdout)[
        "splits"
    ]
    assert [(row["read"], row["placeholder"], row["kept"]) for row in splits] == [(3, 1, 2)] * 6


def test_a_student_is_exported_and_answers_a_file(smoke_store, tmp_path):
    folder, pairs, answers = tmp_path / "student", tmp_path / "pairs.csv", tmp_path / "answers.csv"
    errors = kdbook(
        "export-student", str(folder), "--profile", "smoke", "--run", "distilled-1", store=smoke_store
    ).stderr
    assert "distilled-1 is in" in errors and "AutoMM's prediction on" in errors
    pairs.write_text("sentence1,sentence2\nAnna paid Boris .,Boris paid Anna .\n")
    kdbook("predict", str(pairs), str(answers), "--student", str(folder), store=smoke_store)
    assert answers.read_text().startswith(
        "sentence1,sentence2,prediction,probability of 0,probability of 1\nAnna paid Boris .,Boris paid Anna .,"
    )


def test_what_can_t_be_exported_or_answered_is_one_line(smoke_store, tmp_path):
    errors = kdbook_here(
        "export-student", str(tmp_path / "new"), "--profile", "smoke", store=tmp_path, expect=1
    ).stderr
    assert "must be trained first, with: kdbook run --profile smoke" in errors and "Traceback" not in errors
    (tmp_path / "pairs.csv").write_text("sentence1,sentence2\n")
    arguments = (str(tmp_path / "pairs.csv"), str(tmp_path / "answers.csv"), "--student", str(tmp_path))
    errors = kdbook_here("predict", *arguments, store=smoke_store, expect=1).stderr
    assert "make one with: kdbook export-student" in errors and "Traceback" not in errors
