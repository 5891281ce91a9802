"""The command as its user meets it: output, exit codes, one-line errors."""

import json
import os
import re
import subprocess
import sys

import pytest
from helpers import kdbook

COMMANDS = [("run",), ("status",), ("results",), ("data", "check")]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command, tmp_path):
    assert f"Example: kdbook {' '.join(command)}" in kdbook(*command, "--help", store=tmp_path).stdout


def test_results_json(smoke_store):
    found = json.loads(kdbook("results", "--profile", "smoke", "--json", store=smoke_store).stdout)
    assert (found["profile"], found["data"]) == ("smoke", "generated")
    assert [row["name"] for row in found["runs"]][:3] == ["teacher-0", "baseline-0", "baseline-1"]
    wanted = {"name": str, "arm": str, "seed": int, "fit_seconds": float, "predict_seconds": float, "parameters": int, "key": str}
    for row in found["runs"]:
        assert all(type(row[key]) is kind for key, kind in wanted.items())
        assert set(row["accuracy"]) == {"en", "de", "all"}


def test_status_and_a_second_run_train_nothing(smoke_store):
    rows = json.loads(kdbook("status", "--profile", "smoke", "--json", store=smoke_store).stdout)["runs"]
    assert {row["state"] for row in rows} == {"current"}
    assert "0 to train" in kdbook("run", "--profile", "smoke", store=smoke_store).stderr


def test_status_of_an_empty_store_says_missing(tmp_path):
    rows = json.loads(kdbook("status", "--profile", "smoke", "--json", store=tmp_path).stdout)["runs"]
    assert {(row["state"], row["reason"]) for row in rows} == {("missing", "never trained")}


def test_reading_does_not_import_automm(smoke_store):
    environment = os.environ | {"KDBOOK_STORE": str(smoke_store)}
    command = [sys.executable, "-X", "importtime", "-m", "kdbook.cli", "results", "--profile", "smoke"]
    imported = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr
    assert "pandas" in imported
    assert not re.search(r"\b(autogluon|torch|transformers|datasets)\b", imported)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--profile", "nope"), "Choose from: embedded, pawsx, pawsx-small, smoke"),
        (("data", "check", "nowhere"), "'nowhere' does not exist"),
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, message):
    done = kdbook(*arguments, store=tmp_path, expect=1)
    assert message in done.stderr and "Traceback" not in done.stderr and done.stderr.count("\n") == 1


def test_data_check_counts(tmp_path):
    for language, train in (("en", "train.tsv"), ("de", "translated_train.tsv")):
        folder = tmp_path / language
        folder.mkdir()
        for name in (train, "dev_2k.tsv", "test_2k.tsv"):
            text = "id\tsentence1\tsentence2\tlabel\n1\ta\tb\t1\n2\tNS\tNS\t0\n"
            (folder / name).write_text(text)
    splits = json.loads(kdbook("data", "check", str(tmp_path), "--json", store=tmp_path / "s").stdout)["splits"]
    assert [(row["read"], row["placeholder"], row["kept"]) for row in splits] == [(2, 1, 1)] * 6
