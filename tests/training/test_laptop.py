"""The encoders that ship packed, through a study with real fits and out of it as ONNX."""

import json

import pandas as pd
import pytest
import voice_commands

from kdbook.errors import KdbookError
from kdbook.execution.schedule import train_in_process
from kdbook.export import onnx_export, student
from kdbook.settings import profile
from kdbook.store.local import Store
from kdbook.study.study import Study

pytestmark = pytest.mark.training
TOML = """
base = "laptop"

[data]
source = "{folder}"
unlabelled = true
languages = ["en", "nl"]
train_languages = ["en"]
columns = {{ texts = ["command"], label = "intent", language = "language" }}

[hyperparameters]
optim.max_epochs = 1

[teacher]
checkpoint = "embedded:e5-3"
seeds = [0]

[student]
seeds = [0]
hyperparameters = {{ optim.max_epochs = 2 }}

[tuned.transfer]
optim.max_epochs = 1
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    folder = tmp_path_factory.mktemp("commands")
    for split, rows in voice_commands.splits(("en", "nl")).items():
        kept = rows[rows["intent"].isin(["turn on", "turn off", "start timer"])]
        kept.groupby("language").head(30).to_csv(folder / f"{split}.csv", index=False)
    settings = profile.parsed(TOML.format(folder=folder), "commands.toml")
    return Study(settings, Store(tmp_path_factory.mktemp("store")), train_in_process)


def test_labels_of_other_languages_are_hidden_and_only_one_arm_uses_them(study):
    data = study.data
    assert set(data["train"]["language"]) == set(data["validation"]["language"]) == {"en"}
    assert set(data["unlabelled"]["language"]) == {"nl"} and "label" not in data["unlabelled"]
    assert not data.lacks_labels
    assert [name for name, spec in study.specs.items() if spec.rows == "all" and spec.lesson == "labels"] == [
        "all-labels-0"
    ]


def test_a_student_learns_and_leaves_as_onnx(study, tmp_path):
    arms = study.get_or_train_arms("teacher", "baseline", "distilled", "transfer")
    run = arms["transfer"][0]
    assert run.measurements.parameters.total < 3_000_000
    assert set(run.predictions["language"]) == {"en", "nl"}
    report = onnx_export.export_student(run, tmp_path / "student", study.data, arms, batches=[1])
    assert report.different == 0 and report.distance < 1e-3
    said = student.Student(tmp_path / "student").probabilities(["turn on the lamp", "doe de lamp uit"])
    assert said.shape == (2, 3) and said.sum(axis=1) == pytest.approx(1)
    assert json.loads((tmp_path / "student" / student.SETTINGS).read_text())["classes"]


def test_labels_that_no_row_has_are_refused_before_any_fit(study, tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    for split, rows in voice_commands.splits(("en", "nl")).items():
        (rows.assign(intent=rows["intent"].where(rows["language"] == "en"))).to_csv(
            folder / f"{split}.csv", index=False
        )
    table = pd.read_csv(folder / "test.csv")
    table.assign(intent=table["intent"].fillna("turn on")).to_csv(folder / "test.csv", index=False)
    some = Study(profile.parsed(TOML.format(folder=folder), "few.toml"), Store(tmp_path / "store"))
    with pytest.raises(KdbookError, match="some rows of .* have none; leave the arm out"):
        some.check(some.specs["all-labels-0"])
