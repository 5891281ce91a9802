"""Data of one's own: any classes, languages and number of texts, from files, directories and the hub."""

import random

import pandas as pd
import pytest
import reviews
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdbook import data
from kdbook.errors import KdbookError
from kdbook.pages import descriptions
from kdbook.settings.data import Columns, Data

COLUMNS = Columns(texts=("review",), label="mood", language="language")
LANGUAGES = ("de", "en", "fr")


def settings_of(source, columns=COLUMNS, languages=LANGUAGES, **others) -> Data:
    return Data(source=str(source), columns=columns, languages=languages, **others)


@pytest.fixture
def table() -> pd.DataFrame:
    return reviews.generate(items=100)


def test_one_file_is_split_and_every_row_is_somewhere(tmp_path, table):
    table.to_csv(tmp_path / "rows.csv", index=False)
    dataset = data.load(settings_of(tmp_path / "rows.csv"))
    assert dataset.classes == dataset.meanings == ("bad", "fair", "good") and dataset.task == "classification"
    assert dataset.sizes().loc["all"].sum() == len(table) and (dataset.sizes().loc["all"] > 0).all()
    assert 0.7 < dataset.sizes().loc["all", "train"] / len(table) < 0.9
    every = pd.concat([dataset[split] for split in data.SPLITS])
    expected = {tuple(row) for row in table[["review", "language", "mood"]].to_numpy()}
    assert {
        (row.sentence1, row.language, dataset.classes[row.label]) for row in every.itertuples()
    } == expected
    assert list(dataset["train"].columns) == ["id", "language", "sentence1", "label"] and data.inputs(
        every
    ) == ["sentence1", "label"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_the_same_text_never_stands_in_two_splits(tmp_path, seed):
    table = reviews.generate(items=60, seed=seed)
    pd.concat([table, table.sample(frac=1, random_state=seed)]).to_csv(tmp_path / "rows.csv", index=False)
    dataset = data.load(settings_of(tmp_path / "rows.csv"))
    texts = [set(dataset[split]["sentence1"]) for split in data.SPLITS]
    assert not (texts[0] & texts[1] or texts[0] & texts[2] or texts[1] & texts[2])


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_format_gives_the_same_data(tmp_path, table, suffix):
    table.to_csv(tmp_path / "reference.csv", index=False)
    path = tmp_path / f"rows{suffix}"
    if suffix == ".parquet":
        table.to_parquet(path)
    elif suffix == ".jsonl":
        table.to_json(path, orient="records", lines=True, force_ascii=False)
    else:
        table.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    assert (
        data.load(settings_of(path)).digest() == data.load(settings_of(tmp_path / "reference.csv")).digest()
    )


def test_a_directory_with_splits_and_a_folder_for_each_language(tmp_path, table):
    for language, rows in table.groupby("language"):
        (tmp_path / language).mkdir()
        rows.head(80).to_csv(tmp_path / language / "train.csv", index=False)
        rows.tail(20).to_json(tmp_path / language / "dev.jsonl", orient="records", lines=True)
    dataset = data.load(settings_of(tmp_path, COLUMNS.model_copy(update={"language": None})))
    assert dataset.sizes().loc[["de", "en", "fr"], "validation"].tolist() == [20, 20, 20]
    assert (
        dataset.sizes().loc["all", ["train", "test"]].sum() == 240 and dataset.sizes().loc["all", "test"] > 0
    )
    assert set(dataset["test"]["language"]) == set(LANGUAGES)


def test_items_stay_together_where_there_are_ids(tmp_path):
    rows = [(n, language, f"{language} {n}", n % 4) for n in range(200) for language in ("en", "de")]
    pd.DataFrame(rows, columns=["n", "language", "text", "class"]).to_csv(tmp_path / "rows.csv", index=False)
    columns = Columns(texts=("text",), label="class", language="language", id="n")
    dataset = data.load(settings_of(tmp_path / "rows.csv", columns, ("en", "de")))
    assert dataset.classes == ("0", "1", "2", "3")
    ids = [set(dataset[split]["id"]) for split in data.SPLITS]
    assert sum(map(len, ids)) == 200
    assert all(len(dataset[split]) == 2 * len(names) for split, names in zip(data.SPLITS, ids, strict=True))


def test_pairs_of_texts_in_one_language(tmp_path):
    pd.DataFrame(
        {
            "q": [f"question {n}" for n in range(99)],
            "a": ["an answer"] * 99,
            "label": ["no", "yes", "maybe"] * 33,
        }
    ).to_csv(tmp_path / "rows.csv", index=False)
    dataset = data.load(settings_of(tmp_path / "rows.csv", Columns(texts=("q", "a"), label="label"), ("en",)))
    assert data.texts(dataset["train"]) == ["sentence1", "sentence2"] and dataset.classes == (
        "maybe",
        "no",
        "yes",
    )
    assert "two texts" in descriptions.task(dataset) and "Share of common words" in descriptions.surface_cues(
        dataset
    )


def test_what_a_page_says_of_single_texts(tmp_path, table):
    table.to_csv(tmp_path / "rows.csv", index=False)
    dataset = data.load(settings_of(tmp_path / "rows.csv"))
    assert (
        descriptions.task(dataset)
        == "Each row contains one text, and the task is to predict one of 3 classes: *bad*, *fair* and *good*."
    )
    assert "Words per text, mean by class: *bad*:" in descriptions.surface_cues(dataset)
    assert dataset.examples("train", label=0)["label"].tolist() == ["bad"] * 9  # three of each language


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="mood"), "has no column 'mood'; it has review, language"),
        (lambda table: table.assign(mood=""), "no train row has a label; is data.columns.label right"),
        (
            lambda table: table.assign(language=table["language"].mask(table.index == 4)),
            "line 6: the language is empty",
        ),
        (
            lambda table: table.assign(mood=table["mood"].mask(table.index == 4, "a\x07")),
            r"line 6: the name 'a.x07' contains the character U\+0007",
        ),
        (lambda table: table.assign(mood="good"), "have 1 class"),
        (lambda table: table.assign(mood=table.index), "classes for .* training rows"),
        (lambda table: table.assign(language="nl"), "no labelled training row in de, en, fr"),
        (lambda table: table[table["language"] != "de"], "no usable row in the language 'de'"),
        (lambda table: table.groupby(["language", "mood"]).head(2), "18 rows .* are too few to split off"),
    ],
)
def test_bad_data_is_one_clear_line(tmp_path, table, change, message):
    change(table).to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(KdbookError, match=message) as raised:
        data.load(settings_of(tmp_path / "rows.csv"))
    assert "\n" not in str(raised.value)


def test_other_mistakes(tmp_path, table):
    table.to_csv(tmp_path / "train.csv", index=False)
    without = COLUMNS.model_copy(update={"language": None})
    with pytest.raises(KdbookError, match="holds several languages"):
        data.load(settings_of(tmp_path / "train.csv", without))
    with pytest.raises(KdbookError, match="has no directory for the language 'de'; give it one, or name"):
        data.load(settings_of(tmp_path, without))
    with pytest.raises(KdbookError, match=r"has no training file; expected train\.csv"):
        (tmp_path / "empty").mkdir()
        data.load(settings_of(tmp_path / "empty"))
    table.to_json(tmp_path / "train.jsonl", orient="records", lines=True)
    with pytest.raises(KdbookError, match=r"train\.csv and train\.jsonl; keep one"):
        data.load(settings_of(tmp_path))
    (tmp_path / "train.jsonl").unlink()
    table.assign(mood="unheard of").head(30).to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(KdbookError, match="the test rows have the class 'unheard of'"):
        data.load(settings_of(tmp_path))
    table.assign(n=1).to_csv(tmp_path / "ids.csv", index=False)
    with pytest.raises(KdbookError, match=r"line \d+: the id '1' was given before \(line \d+\)"):
        data.load(settings_of(tmp_path / "ids.csv", COLUMNS.model_copy(update={"id": "n"})))


def test_a_class_without_a_training_row_stays_and_counts_as_an_error(tmp_path, table):
    table.to_csv(tmp_path / "train.csv", index=False)
    others = table.assign(mood=table["mood"].mask(table.index == 7, "a rare one"))
    for split in ("validation", "test"):
        others.to_csv(tmp_path / f"{split}.csv", index=False)
    dataset = data.load(settings_of(tmp_path))
    assert dataset.classes == ("bad", "fair", "good", "a rare one")
    assert len(dataset["test"]) == len(dataset["validation"]) + 1 == len(table)
    assert (dataset["test"]["label"] == 3).sum() == 1 and dataset["validation"]["label"].max() == 2
    assert any(
        "has the label 'a rare one': its 1 test rows count as errors" in note for note in dataset.notes
    )


def test_a_class_only_of_languages_without_labels_comes_last(tmp_path, table):
    """Its number must not lie between those of classes that models predict."""
    german = table.assign(language="de", mood=table["mood"].replace("bad", "awful"))
    for split in data.SPLITS:
        pd.concat([table.assign(language="en"), german]).to_csv(tmp_path / f"{split}.csv", index=False)
    columns = COLUMNS.model_copy(update={"language": "language"})
    settings = settings_of(tmp_path, columns, ("en", "de"), train_languages=("en",), unlabelled=True)
    dataset = data.load(settings)
    assert dataset.classes == ("bad", "fair", "good", "awful")
    hidden = dataset["unlabelled"]
    assert set(hidden["true_label"]) == {1, 2, 3} and set(dataset["train"]["label"]) == {0, 1, 2}


@pytest.mark.parametrize("items", [3, 4, 10, 20])
def test_a_few_items_have_every_class(tmp_path, table, items):
    rare = table.assign(mood=table["mood"].mask(table.index == 7, "rare"))
    for split in data.SPLITS:
        rare.to_csv(tmp_path / f"{split}.csv", index=False)
    fewer, more = (data.load(settings_of(tmp_path, train_items=number))["train"] for number in (items, 25))
    assert fewer["id"].nunique() == items and set(fewer["id"]) <= set(more["id"])
    assert fewer["label"].nunique() == min(items, 4) and len(fewer["label"].unique()) >= 3


def test_a_hub_data_set_of_any_columns(monkeypatch):
    """As ``datasets`` gives it: classes as numbers with names, splits of other names."""
    import datasets

    features = datasets.Features(
        {"review": datasets.Value("string"), "mood": datasets.ClassLabel(names=["down", "up"])}
    )
    rows = {"review": [f"text {n}" for n in range(60)], "mood": [n % 2 for n in range(60)]}
    split = datasets.Dataset.from_dict(rows, features=features)
    requests = []

    def load(name, configuration):
        requests.append((name, configuration))
        return datasets.DatasetDict({"train": split, "test": split.select(range(20))})

    monkeypatch.setattr(datasets, "load_dataset", load)
    dataset = data.load(settings_of("someone/reviews", Columns(texts=("review",), label="mood"), ("en",)))
    assert requests == [("someone/reviews", None)] and dataset.classes == ("down", "up")
    assert len(dataset["test"]) == 20 and len(dataset["train"]) + len(dataset["validation"]) == 60


def rows_of(texts: int, classes: str = "ab", language: str | None = None) -> list[dict]:
    rows = [{"text": f"{language} text {n}", "label": classes[n % len(classes)]} for n in range(texts)]
    return [row | ({"language": language} if language else {}) for row in rows]


TEXT = Columns(texts=("text",), label="label")
BY_COLUMN = Columns(texts=("text",), label="label", language="language")


def write_csv(path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, index=False)


def total(dataset, column: str = "read") -> int:
    return int(dataset.audit_table()[column].sum())


@pytest.mark.parametrize("name", ["val", "eval", "dev", "validation_matched"])
def test_splits_by_their_other_names_are_taken_and_other_files_named(tmp_path, name):
    for stem in ("train", name, "test", "extra"):
        write_csv(tmp_path / f"{stem}.csv", rows_of(40))
    dataset = data.load(settings_of(tmp_path, TEXT, ("en",)))
    assert dataset.sizes().loc["all"].tolist() == [40, 40, 40]
    assert any("extra.csv is not read" in note for note in dataset.notes)


def test_a_row_without_a_label_is_counted_in_every_format(tmp_path):
    rows = rows_of(60)
    for number in range(0, 60, 10):
        rows[number]["label"] = None
    frame = pd.DataFrame(rows)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    for path in tmp_path.iterdir():
        dataset = data.load(settings_of(path, TEXT, ("en",)))
        assert dataset.classes == ("a", "b")
        assert (total(dataset), total(dataset, "unlabelled"), total(dataset, "used")) == (60, 6, 54)


def test_rows_of_languages_that_were_not_asked_for_are_counted_and_pointed_out(tmp_path):
    rows = [*rows_of(40, language="en"), *rows_of(40, language="de"), *rows_of(20, language="EN")]
    write_csv(tmp_path / "a.csv", rows)
    dataset = data.load(settings_of(tmp_path / "a.csv", BY_COLUMN, ("en", "de")))
    assert (total(dataset), total(dataset, "other language"), total(dataset, "used")) == (100, 20, 80)
    assert dataset.notes == ("20 rows in the language 'EN' are left out; should it be 'en'?",)


def test_models_may_be_tested_in_a_language_that_has_test_rows_alone(tmp_path):
    write_csv(tmp_path / "train.csv", rows_of(40, language="en"))
    write_csv(tmp_path / "validation.csv", rows_of(20, language="en"))
    write_csv(tmp_path / "test.csv", [*rows_of(20, language="en"), *rows_of(20, language="de")])
    dataset = data.load(settings_of(tmp_path, BY_COLUMN, ("en", "de"), train_languages=("en",)))
    assert dataset.sizes().loc["de"].tolist() == [0, 0, 20]


def test_one_language_of_a_directory_with_several(tmp_path):
    for language in ("en", "de"):
        write_csv(tmp_path / language / "train.csv", rows_of(40, language=language))
    assert set(data.load(settings_of(tmp_path, TEXT, ("de",)))["train"]["sentence1"].str[:2]) == {"de"}


def test_ids_that_mean_other_texts_in_each_language_are_refused_also_for_a_rare_class(tmp_path):
    rng = random.Random(1)
    rows = [
        {
            "text": f"{language} {n}",
            "label": "spam" if rng.random() < 0.05 else "ham",
            "language": language,
            "n": n,
        }
        for language in ("en", "de")
        for n in range(300)
    ]
    write_csv(tmp_path / "a.csv", rows)
    by_id = BY_COLUMN.model_copy(update={"id": "n"})
    with pytest.raises(KdbookError, match=r"train: for \d+ of \d+ ids the languages differ .* not aligned"):
        data.load(settings_of(tmp_path / "a.csv", by_id, ("en", "de")))


def test_translations_of_a_rare_class_with_few_wrong_labels_are_kept(tmp_path):
    rows = [
        {"text": f"{language} {n}", "label": "spam" if n % 20 == 0 else "ham", "language": language, "n": n}
        for language in ("en", "de")
        for n in range(400)
    ]
    for number in (1, 2, 3):
        rows[number]["label"] = "spam"
    write_csv(tmp_path / "a.csv", rows)
    dataset = data.load(
        settings_of(tmp_path / "a.csv", BY_COLUMN.model_copy(update={"id": "n"}), ("en", "de"))
    )
    assert (total(dataset), total(dataset, "conflict")) == (800, 6)


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_labels_of_a_split_are_recognised_and_the_split_can_be_left_out(tmp_path, hidden):
    write_csv(tmp_path / "train.csv", rows_of(40))
    write_csv(tmp_path / "test.csv", [row | {"label": hidden} for row in rows_of(10)])
    with pytest.raises(KdbookError, match=r'data.ignored_splits = \["test"\]'):
        data.load(settings_of(tmp_path, TEXT, ("en",)))
    dataset = data.load(settings_of(tmp_path, TEXT, ("en",), ignored_splits=("test",)))
    assert dataset.sizes().loc["all"].tolist() == [32, 4, 4]
    assert any("test.csv: 10 rows are not used" in note for note in dataset.notes)


def test_classes_that_are_numbers_are_in_the_order_of_numbers_and_look_alikes_are_pointed_out(tmp_path):
    write_csv(tmp_path / "a.csv", rows_of(60, ["1", "10", "-1", "2"]))
    assert data.load(settings_of(tmp_path / "a.csv", TEXT, ("en",))).classes == ("-1", "1", "2", "10")
    odd = ["TRUE", "true", "n\u00e9gatif", "ne\u0301gatif", "1", "1.0"]
    write_csv(tmp_path / "b.csv", rows_of(120, odd))
    dataset = data.load(settings_of(tmp_path / "b.csv", TEXT, ("en",)))
    assert len(dataset.classes) == 6 and sum("only in spelling" in note for note in dataset.notes) == 3


def test_repeated_texts_are_counted(tmp_path):
    rows = rows_of(40)
    write_csv(tmp_path / "train.csv", [*rows, rows[0] | {"label": "b"}])
    write_csv(tmp_path / "validation.csv", rows_of(20, language="x"))
    write_csv(tmp_path / "test.csv", rows[:3])
    notes = data.load(settings_of(tmp_path, TEXT, ("en",))).notes
    assert "3 texts occur in the test rows and in another split, which flatters the results" in notes
    assert "1 text occurs with different labels" in notes


def test_a_placeholder_of_paws_x_is_a_text_elsewhere(tmp_path):
    write_csv(tmp_path / "a.csv", [*rows_of(40), {"text": "NS", "label": "a"}])
    assert total(data.load(settings_of(tmp_path / "a.csv", TEXT, ("en",))), "used") == 41


@pytest.mark.parametrize("name", ["a.xlsx", "a.json", "a.txt", "a.csv.gz", "nothing.csv", "some/deep/folder"])
def test_a_path_is_not_looked_up_on_the_hub(tmp_path, name, monkeypatch):
    monkeypatch.setattr("datasets.load_dataset", lambda *_: pytest.fail("looked up"))
    if name.startswith("a."):
        (tmp_path / name).write_text("x")
    for source in (tmp_path / name, name):
        with pytest.raises(KdbookError, match=r"is not a \.csv|does not exist"):
            data.load(settings_of(source, TEXT, ("en",)))


def test_texts_that_a_spreadsheet_has_quoted_are_pointed_out(tmp_path):
    rows = "".join(f'"He said ""{n}"""\t{n % 2}\n' for n in range(30))
    (tmp_path / "a.tsv").write_text(f"text\tlabel\n{rows}")
    notes = data.load(settings_of(tmp_path / "a.tsv", TEXT, ("en",))).notes
    assert any("30 texts are quoted" in note for note in notes)


def hub_of(monkeypatch, configurations: dict):
    """``datasets.load_dataset`` of a data set with these configurations, as it answers without one."""
    import datasets

    def load(name, configuration=None):
        if configuration is None and None not in configurations:
            names = sorted(configurations)
            raise ValueError(f"Config name is missing.\nPlease pick one among the available configs: {names}")
        return datasets.DatasetDict(configurations[configuration])

    monkeypatch.setattr(datasets, "load_dataset", load)


def hub_split(labels: list[int]):
    import datasets

    features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    rows = {"text": [f"text {n} of {len(labels)}" for n in range(len(labels))], "label": labels}
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


def test_labels_without_a_class_are_rows_without_a_label(monkeypatch):
    hub_of(monkeypatch, {None: {"train": hub_split([n % 2 if n % 20 else -1 for n in range(100)])}})
    dataset = data.load(settings_of("someone/nli", TEXT, ("en",)))
    assert dataset.classes == ("no", "yes")
    assert (total(dataset), total(dataset, "unlabelled"), total(dataset, "used")) == (100, 5, 95)


def test_configurations_are_chosen_by_language_or_by_name(monkeypatch):
    hub_of(monkeypatch, {"de": {"train": hub_split([0, 1] * 20), "other": hub_split([0])}, "en": {}})
    dataset = data.load(settings_of("someone/nli", TEXT, ("de",)))
    assert total(dataset) == 40 and dataset.notes[0] == "someone/nli: the split 'other' is not used"
    with pytest.raises(KdbookError, match=r"configs: \['de', 'en'\]. Name one with data.configuration"):
        data.load(settings_of("someone/nli", BY_COLUMN, ("de",)))
    with pytest.raises(KdbookError, match="has no column 'language'"):
        data.load(settings_of("someone/nli", BY_COLUMN, ("de",), configuration="de"))
