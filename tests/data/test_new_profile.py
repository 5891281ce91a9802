"""A profile for data of one's own is written only if it can be used."""

import tomllib
from pathlib import Path

import pandas as pd
import pytest
import reviews
from helpers import kdbook_here

from kdbook.data import new_profile
from kdbook.data.load import load
from kdbook.data.new_profile import ProfileRequest
from kdbook.errors import KdbookError
from kdbook.pages import descriptions
from kdbook.settings import profile
from kdbook.store.local import Store
from kdbook.study.study import Study

REQUEST = ProfileRequest("rows.csv", texts=("review",), label="mood", language="language", base="smoke")


@pytest.fixture
def folder(tmp_path):
    reviews.generate(items=60).to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path


def test_a_profile_takes_all_but_its_data_from_its_base(folder):
    rows = new_profile.write(folder / "mine.toml", REQUEST)
    assert rows.classes == ("bad", "fair", "good") and rows.languages == ("de", "en", "fr")
    mine, base = profile.load(str(folder / "mine.toml")), profile.load("smoke")
    assert mine.data.source == str(folder / "rows.csv") and mine.data.train_items is None
    same = ("hyperparameters", "teacher", "student", "distiller")
    assert all(getattr(mine, name) == getattr(base, name) for name in same)
    assert (mine.controls.keys(), mine.ablations.keys()) == (base.controls.keys(), base.ablations.keys())
    opened = Study(mine, Store(folder / "store"))
    assert "Data: `rows.csv` (" in descriptions.about(opened) and "rows)." in descriptions.about(opened)
    assert opened.data_digest("all") == rows.digest()


def test_encoders_and_languages_of_ones_own(folder):
    request = ProfileRequest(
        "rows.csv", ("review",), "mood", "language", None, ("en", "de"), "embedded", "one/large", "one/small"
    )
    new_profile.write(folder / "mine.toml", request)
    mine = profile.load(str(folder / "mine.toml"))
    assert (mine.teacher.checkpoint, mine.student.checkpoint) == ("one/large", "one/small")
    assert mine.data.languages == ("en", "de") and mine.data.train_label_noise == 0


def test_odd_names_are_written_as_toml_reads_them():
    odd = ProfileRequest('a "b" \\ c.csv', ("té xt", "t2"), "l'abel")
    written = tomllib.loads(new_profile.toml(odd, ("en",)))
    assert written["data"] == {
        "source": 'a "b" \\ c.csv',
        "languages": ["en"],
        "columns": {"texts": ["té xt", "t2"], "label": "l'abel"},
    }


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("mine.txt", {}, "is not the name of a profile"),
        ("there.toml", {}, "exists already"),
        ("smoke.toml", {}, "ships with this package"),
        ("mine.toml", {"languages": ("all", "de")}, "can't be called 'all'"),
        ("mine.toml", {"languages": ("de", "de")}, "has 'de' twice"),
        ("mine.toml", {"label": "nothing"}, "has no column 'nothing'"),
        ("mine.toml", {"language": None}, "name the languages"),
        ("mine.toml", {"base": "nothing"}, "is not a shipped profile"),
        ("mine.toml", {"source": "nowhere.csv"}, "does not exist"),
        ("no/folder/mine.toml", {"languages": ("en",)}, "can't be written"),
    ],
)
def test_what_can_t_be_used_is_not_written(folder, name, change, message):
    (folder / "there.toml").write_text("")
    with pytest.raises(KdbookError, match=message):
        new_profile.write(folder / name, ProfileRequest(**{**vars(REQUEST), **change}))
    assert sorted(path.name for path in folder.iterdir()) == ["rows.csv", "there.toml"]


def test_the_command_says_what_it_wrote(folder, monkeypatch):
    monkeypatch.chdir(folder)
    options = ("--data", "rows.csv", "--text", "review", "--label", "mood")
    done = kdbook_here(
        "new", "mine", *options, "--language", "language", "--base", "smoke", store=folder / "store"
    )
    assert "3 classes: bad, fair, good" in done.stderr and "make book PROFILE=mine.toml" in done.stderr
    assert "to train: 12," in kdbook_here("status", "--profile", "mine.toml", store=folder / "store").stderr
    assert (
        "give --languages or --language"
        in kdbook_here("new", "other", *options, store=folder, expect=1).stderr
    )
    assert not (folder / "other.toml").exists()


def test_the_source_is_found_from_the_profile_and_is_what_is_read(folder, monkeypatch):
    """Whatever the working directory is, and though another source is chosen in the environment."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("KDBOOK_DATA", "generated")
    (folder / "sub").mkdir()
    written = new_profile.write(Path("sub/mine.toml"), REQUEST)
    monkeypatch.delenv("KDBOOK_DATA")
    monkeypatch.chdir("/")
    assert load(profile.load(str(folder / "sub" / "mine.toml")).data).digest() == written.digest()


def test_what_is_dropped_or_odd_is_said(folder, monkeypatch):
    rows = reviews.generate(items=60)
    rows["mood"] = rows["mood"].mask(rows.index % 20 == 3)
    rows["review"] = rows["review"].mask(rows.index == 5, "word " * 100)
    rows["language"] = rows["language"].mask(rows.index % 30 == 4, "EN")
    rows.to_csv(folder / "rows.csv", index=False)
    monkeypatch.chdir(folder)
    options = ("--data", "rows.csv", "--text", "review", "--label", "mood", "--language", "language")
    said = kdbook_here(
        "new", "mine", *options, "--languages", "en,de", "--base", "smoke", store=folder
    ).stderr
    assert "rows are dropped: no label" in said
    assert "in the language 'EN' are left out; should it be 'en'?" in said
    assert "1 of" in said and "have more than 64 words, and models read at most 64 tokens" in said


def test_a_profile_with_a_byte_order_mark(folder):
    new_profile.write(folder / "mine.toml", REQUEST)
    content = (folder / "mine.toml").read_bytes()
    (folder / "mine.toml").write_bytes(b"\xef\xbb\xbf" + content)
    assert profile.load(str(folder / "mine.toml")).data.columns.label == "mood"


def test_a_profile_that_uses_rows_without_labels(tmp_path):
    rows = [{"text": f"{number} a", "mood": "" if number > 40 else "xy"[number % 2]} for number in range(60)]
    pd.DataFrame(rows).to_csv(tmp_path / "rows.csv", index=False)
    request = ProfileRequest(
        str(tmp_path / "rows.csv"), ("text",), "mood", languages=("en",), base="smoke", unlabelled=True
    )
    written = new_profile.write(tmp_path / "mine.toml", request)
    assert written.sizes().loc["all", "unlabelled"] == 19
    assert "transfer" in profile.load(str(tmp_path / "mine.toml")).arms


@pytest.mark.parametrize(("rare", "metric"), [(10, "balanced accuracy"), (45, "accuracy")])
def test_balanced_accuracy_is_proposed_where_most_rows_are_of_one_class(tmp_path, monkeypatch, rare, metric):
    rows = [
        {"text": f"{number} a", "mood": "rare" if number % 100 < rare else "usual"} for number in range(200)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "rows.csv", index=False)
    monkeypatch.chdir(tmp_path)
    options = ("--data", "rows.csv", "--text", "text", "--label", "mood", "--languages", "en")
    done = kdbook_here("new", "mine", *options, "--base", "smoke", store=tmp_path)
    mine = profile.load("mine.toml")
    assert mine.primary.metric == metric and (mine.primary.arm, mine.primary.test) == ("distilled", "all")
    assert ("so the metric is balanced accuracy" in done.stderr) == (metric != "accuracy")
    assert {spec.metric for spec in Study(mine, Store(tmp_path / "store")).specs.values()} == {metric}
