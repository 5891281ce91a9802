"""Data of one's own: any classes, languages and number of texts, from files, directories and the hub."""

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdbook import data
from kdbook.analysis import figures, sentences
from kdbook.analysis.metrics import confusion
from kdbook.data.generated import reviews
from kdbook.errors import KdbookError
from kdbook.settings import profile

COLUMNS = profile.Columns(texts=("review",), label="mood", language="language")
LANGUAGES = ("de", "en", "fr")


def settings_of(source, columns=COLUMNS, languages=LANGUAGES, **others) -> profile.Data:
    return profile.Data(source=str(source), columns=columns, languages=languages, **others)


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
    columns = profile.Columns(texts=("text",), label="class", language="language", id="n")
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
    dataset = data.load(
        settings_of(tmp_path / "rows.csv", profile.Columns(texts=("q", "a"), label="label"), ("en",))
    )
    assert data.texts(dataset["train"]) == ["sentence1", "sentence2"] and dataset.classes == (
        "maybe",
        "no",
        "yes",
    )
    assert "two texts" in sentences.task(dataset) and "Share of common words" in sentences.surface_cues(
        dataset
    )
    assert len(figures.surface_cues(dataset).axes[0].patches) == 3


def test_what_a_page_says_of_single_texts(tmp_path, table):
    table.to_csv(tmp_path / "rows.csv", index=False)
    dataset = data.load(settings_of(tmp_path / "rows.csv"))
    assert (
        sentences.task(dataset)
        == "Each row contains one text, and the task is to predict one of 3 classes: *bad*, *fair* and *good*."
    )
    assert "Words per text, mean by class: *bad*:" in sentences.surface_cues(dataset)
    assert dataset.examples("train", label=0)["label"].tolist() == ["bad"] * 9  # three of each language
    predictions = dataset["test"][["id", "language", "label"]].assign(prediction=2)
    assert confusion(predictions, dataset.classes)["good"].sum() == len(predictions)
    assert confusion(predictions, dataset.classes).to_numpy().sum() == len(predictions)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="mood"), "has no column 'mood'; it has review, language"),
        (lambda table: table.assign(mood=table["mood"].mask(table.index == 4)), "line 6: the label is empty"),
        (lambda table: table.assign(mood="good"), "have 1 class"),
        (lambda table: table.assign(mood=table.index), "classes for .* training rows"),
        (lambda table: table.assign(language="nl"), "no training row in de, en, fr"),
        (lambda table: table[table["language"] != "de"], "no usable row in the language 'de'"),
        (lambda table: table.groupby(["language", "mood"]).head(2), "18 rows are too few to split off"),
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
    with pytest.raises(KdbookError, match=r"has no training file; expected train\.csv"):
        data.load(settings_of(tmp_path, without))
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


def test_a_class_that_no_used_row_has_is_refused(tmp_path, table):
    rare = table.assign(mood=table["mood"].mask(table.index == 7, "rare"))
    for split in data.SPLITS:
        rare.to_csv(tmp_path / f"{split}.csv", index=False)
    with pytest.raises(KdbookError, match="no training row that is used has the label '.*'; use more"):
        data.load(settings_of(tmp_path, train_items=6))


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
    dataset = data.load(
        settings_of("someone/reviews", profile.Columns(texts=("review",), label="mood"), ("en",))
    )
    assert requests == [("someone/reviews", None)] and dataset.classes == ("down", "up")
    assert len(dataset["test"]) == 20 and len(dataset["train"]) + len(dataset["validation"]) == 60
