"""Rows without labels: which rows they are, in every source, and that what is hidden stays hidden."""

import json

import pandas as pd
import pytest

from kdbook.data import UNLABELLED, custom, load
from kdbook.data.generated import corpus
from kdbook.errors import KdbookError
from kdbook.settings.data import Data

COUNTS = {"train_items": 60, "validation_items": 10, "test_items": 20}


def generated(**changes) -> Data:
    return Data(source="generated", **COUNTS, **changes)


def test_some_items_keep_their_labels_and_the_others_lose_them():
    whole, some = load(generated()), load(generated(labelled_items=20))
    assert some["train"]["id"].nunique() == 20 and some[UNLABELLED]["id"].nunique() == 40
    assert "label" in some["train"] and "label" not in some[UNLABELLED]
    together = pd.concat([some["train"], some[UNLABELLED]]).sort_values(["language", "id"])
    assert set(together["sentence1"]) == set(whole["train"]["sentence1"])
    assert not set(some["train"]["id"]) & set(some[UNLABELLED]["id"])
    for split in ("validation", "test"):
        pd.testing.assert_frame_equal(some[split], whole[split])
    assert some.sizes().loc["all"].tolist() == [40, 20, 40, 80]


def test_more_labels_include_the_fewer():
    few, many = (set(load(generated(labelled_items=items))["train"]["id"]) for items in (10, 30))
    assert few < many


def test_fewer_rows_without_labels_are_among_the_more_and_change_nothing_else():
    few, many, all_of_them = (
        load(generated(labelled_items=20, unlabelled_items=items)) for items in (5, 15, None)
    )
    ids = [set(data[UNLABELLED]["id"]) for data in (few, many, all_of_them)]
    assert ids[0] < ids[1] < ids[2] and [len(each) for each in ids] == [5, 15, 40]
    assert few.digest("labelled") == all_of_them.digest("labelled")
    pd.testing.assert_frame_equal(few["test"], all_of_them["test"])


def test_a_limit_of_rows_without_labels_needs_some():
    with pytest.raises(ValueError, match="unlabelled_items limits rows without labels"):
        generated(unlabelled_items=5)


def test_labelled_rows_alone_do_not_depend_on_the_others():
    few, many = (
        load(Data(source="generated", **(COUNTS | {"train_items": n}), labelled_items=5)) for n in (10, 60)
    )
    assert few.digest("labelled") != few.digest("all") != many.digest("all")
    hidden = load(generated(labelled_items=20))
    assert hidden.digest("labelled") == load(generated(labelled_items=20)).digest("labelled")


def test_languages_without_labels_are_used_without_them():
    data = load(generated(train_languages=("en",), unlabelled=True))
    assert set(data["train"]["language"]) == {"en"} and set(data[UNLABELLED]["language"]) == {"de"}
    assert set(data["validation"]["language"]) == {"en"} and set(data["test"]["language"]) == {"en", "de"}
    assert load(generated(train_languages=("en",))).splits.keys() == {"train", "validation", "test"}


COLUMNS = {"texts": ("text",), "label": "topic", "id": "key"}
ROWS = [
    {"key": f"k{number}", "text": f"{'sun' if number % 2 else 'goal'} {number}", "topic": "ab"[number % 2]}
    for number in range(40)
]


def own(source, **changes) -> Data:
    return Data(source=str(source), columns=COLUMNS, languages=("en",), **changes)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_training_rows_without_a_label(tmp_path, suffix):
    rows = [row | {"topic": None} if number >= 30 else row for number, row in enumerate(ROWS)]
    path = tmp_path / f"rows{suffix}"
    if suffix == ".csv":
        pd.DataFrame(rows).to_csv(path, index=False)
    else:
        path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    assert set(load(own(path, unlabelled=True))[UNLABELLED]["id"]) == {
        f"k{number}" for number in range(30, 40)
    }
    dropped = load(own(path))
    assert UNLABELLED not in dropped.splits and dropped.audit_table()["unlabelled"].sum() == 10


@pytest.mark.parametrize("stem", ["unlabelled", "unlabeled", "unsupervised"])
def test_a_file_without_labels(tmp_path, stem):
    pd.DataFrame(ROWS).to_csv(tmp_path / "train.csv", index=False)
    texts = [{"key": f"u{number}", "text": f"sea {number}"} for number in range(6)] + [
        {"key": "blank", "text": " "}
    ]
    pd.DataFrame(texts).to_csv(tmp_path / f"{stem}.csv", index=False)
    data = load(own(tmp_path, unlabelled=True))
    assert set(data[UNLABELLED]["id"]) == {f"u{number}" for number in range(6)}
    assert data.audit_table().loc[(UNLABELLED, "en"), "blank"] == 1
    assert any("7 rows without labels are not used" in note for note in load(own(tmp_path)).notes)


def test_a_file_without_a_column_of_labels_has_languages(tmp_path):
    pd.DataFrame(ROWS).assign(spoken="en").to_csv(tmp_path / "train.csv", index=False)
    texts = [{"key": f"u{number}", "text": f"sea {number}", "spoken": "de"} for number in range(6)]
    pd.DataFrame(texts).to_csv(tmp_path / "unlabelled.csv", index=False)
    columns = COLUMNS | {"language": "spoken"}
    assert custom.languages(Data(source=str(tmp_path), columns=columns)) == ("de", "en")


def test_labels_of_own_data_can_be_hidden_as_well(tmp_path):
    pd.DataFrame(ROWS).to_csv(tmp_path / "rows.csv", index=False)
    data = load(own(tmp_path / "rows.csv", labelled_items=12))
    assert data["train"]["id"].nunique() == 12 and len(data[UNLABELLED]) > 12
    assert set(data[UNLABELLED]["true_label"]) == {0, 1}


def test_where_no_row_is_without_a_label_that_is_said(tmp_path):
    pd.DataFrame(ROWS).to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(KdbookError, match="all 32 training items have a label; set data.labelled_items"):
        load(own(tmp_path / "rows.csv", unlabelled=True))


def test_noise_is_in_labelled_rows_and_hidden_labels_are_true():
    data = load(generated(labelled_items=30, train_label_noise=0.4))
    assert (data["train"]["label"] != data["train"]["true_label"]).mean() > 0.1
    truth = corpus.generate({"train": 60, "validation": 10, "test": 20}, 0)["train"].set_index(
        ["id", "language"]
    )
    rows = data[UNLABELLED].set_index(["id", "language"])
    assert (rows["true_label"] == truth["label"].reindex(rows.index)).all()
