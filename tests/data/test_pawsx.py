"""Reading PAWS-X from its release's layout and through the hub's library."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbook import data
from kdbook.data import pawsx
from kdbook.errors import KdbookError
from kdbook.settings.data import Data

TEXT = st.text(
    st.characters(
        codec="utf-8",
        exclude_characters="\t\n\r\x00\x1c\x1d\x1e\x85\u2028\u2029\ufeff",
        exclude_categories=["Cs"],
    ),
    max_size=30,
)


def write(path: Path, rows: list[tuple[str, ...]], header: str = "id\tsentence1\tsentence2\tlabel") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *("\t".join(row) for row in rows)]) + "\n", encoding="utf-8")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A small data set in the layout of the release; item 2 has no German translation."""
    for language in ("en", "de"):
        train = "train.tsv" if language == "en" else "translated_train.tsv"
        for name in (train, "dev_2k.tsv", "test_2k.tsv"):
            rows = [
                (str(number), f"{language} first {number}", f'{language} "second" {number}', str(number % 2))
                for number in range(6)
            ]
            if language == "de":
                rows[2] = ("2", "NS", "NS", "1")
            write(tmp_path / "x-final" / language / name, rows)
    return tmp_path / "x-final"


def test_release_layout(release):
    pairs = data.load(Data(source=str(release)))
    assert list(pairs.test_dfs) == ["en", "de", "all"]
    assert pairs.sizes().loc["all"].tolist() == [11, 11, 11]
    assert pairs.audit_table().loc[("train", "de"), "placeholder"] == 1
    assert pairs["train"]["sentence2"].iloc[0] == 'en "second" 0'


def test_a_subset_has_the_same_ids_in_every_language_and_is_fixed(release):
    chosen = data.load(Data(source=str(release), train_items=3))["train"]
    assert chosen["id"].nunique() == 3
    audit = data.load(Data(source=str(release), train_items=3)).audit_table()
    assert audit.loc[("train", "en"), "read"] == 6  # the audit is of all rows, whatever is used
    assert set(chosen["id"]) == set(
        data.load(Data(source=str(release), train_items=3, test_items=2))["train"]["id"]
    )


@settings(deadline=None)  # the files are written to disk, which a busy machine does slowly
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8))
def test_any_text_survives_reading(tmp_path_factory, sentences):
    path = tmp_path_factory.mktemp("any") / "train.tsv"
    write(path, [(str(number), *pair, "1") for number, pair in enumerate(sentences)])
    assert (
        list(pawsx.read_tsv(path)[["sentence1", "sentence2"]].itertuples(index=False, name=None)) == sentences
    )


def test_missing_folder_file_and_column_are_named(release):
    with pytest.raises(KdbookError, match="'fr'.*de, en"):
        pawsx.from_directory(release, "fr")
    (release / "en" / "train.tsv").unlink()
    with pytest.raises(KdbookError, match="train.tsv"):
        pawsx.from_directory(release, "en")
    write(release / "en" / "train.tsv", [("1", "a", "b")], header="id\tsentence1\tsentence2")
    with pytest.raises(KdbookError, match="'label'"):
        pawsx.from_directory(release, "en")


HEADER = b"id\tsentence1\tsentence2\tlabel\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"id\tsentence1\tsentence2\n1\ta\tb\n", "has no column 'label'"),
        (
            b"id\tsentence1\tsentence2\tlabel\tlabel\n1\ta\tb\t0\t1\n",
            "has 2 columns 'label'",
        ),
        (
            b"id,sentence1,sentence2,label\n1,a,b,1\n",
            "has no column 'id'.*separated by commas; use .* tabs in .tsv",
        ),
        (b"id\tsentence1\tsentence2\tlabel\r1\ta\tb\t1\r", "the lines end with carriage returns"),
        (HEADER + b"1\ta\tb\t1\n2\t\xff\xfe\tb\t1\n", "line 3: byte 3 is not UTF-8"),
        (HEADER.decode().encode("utf-16"), "line 1: the file is in UTF-16"),
        (HEADER + b"1\ta\tb\t1\n2\ta\tb\t1\tmore\tmore\n", "line 3: 6 cells where the header has 4"),
        (HEADER + b"1\ta\0\tb\t1\n", "line 2: a cell contains a character of code 0"),
        (HEADER + b"1\t" + b"a" * 2**20 + b"\tb\t1\n", "line 2: a cell has 1,048,576 characters"),
        (HEADER + b"1\ta\tb\t1.0\n", "line 2: the label is '1.0'; write 0 or 1"),
        (HEADER + b"1\ta\tb\tyes\n", "line 2: the label is 'yes'"),
        (HEADER + b"1\ta\tb\t-1\n", "line 2: the label is '-1'"),
        (HEADER + b"1\ta\tb\t\n", "line 2: the label is ''"),
        (HEADER + b" \ta\tb\t1\n", "line 2: the id is empty"),
        (HEADER + b"1\ta\tb\t1\n2\ta\tb\t1\n1\tc\td\t0\n", "line 4: the id '1' was given before.*line 2"),
    ],
)
def test_what_is_no_row_is_one_clear_line(tmp_path, content, message):
    path = tmp_path / "train.tsv"
    path.write_bytes(content)
    with pytest.raises(KdbookError, match=f"train.tsv.*{message}") as raised:
        pawsx.read_tsv(path)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 400


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbf" + HEADER + b"1\ta\tb\t1\n\n", HEADER.replace(b"\n", b"\r\n") + b"1\ta\tb\t1\r\n"],
)
def test_a_byte_order_mark_line_ends_of_windows_and_empty_lines_are_no_text(tmp_path, content):
    path = tmp_path / "train.tsv"
    path.write_bytes(content)
    assert pawsx.read_tsv(path).to_dict("records") == [
        {"id": "1", "sentence1": "a", "sentence2": "b", "label": 1}
    ]


def test_files_that_are_not_aligned_are_refused(release):
    path = release / "de" / "dev_2k.tsv"
    write(path, [(str(number), "eins", "zwei", str((number + 1) % 2)) for number in range(6)])
    with pytest.raises(KdbookError, match="validation: for 6 of 6 ids the languages differ in the label"):
        data.load(Data(source=str(release)))


def test_a_language_without_usable_rows_is_named(release):
    write(release / "de" / "dev_2k.tsv", [("1", "NS", "NS", "1")])
    with pytest.raises(
        KdbookError, match="validation: no usable row in the language 'de' .1 dropped as placeholder"
    ):
        data.load(Data(source=str(release)))


def test_hub_layout_loads_through_datasets(tmp_path):
    """A local copy of a hub repository with configurations by language, as google-research-datasets/paws-x has them."""
    rows = pd.DataFrame({"id": [1, 2], "sentence1": ["a", "b"], "sentence2": ["c", "d"], "label": [0, 1]})
    (tmp_path / "en").mkdir()
    for split in ("train", "validation", "test"):
        rows.to_parquet(tmp_path / "en" / f"{split}-00000-of-00001.parquet")
    files = "".join(
        f"  - split: {split}\n    path: en/{split}-*\n" for split in ("train", "validation", "test")
    )
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n- config_name: en\n  data_files:\n{files}---\n")
    loaded = pawsx.from_hub(str(tmp_path), "en")
    assert loaded["test"].to_dict("list") == {
        "id": ["1", "2"],
        "sentence1": ["a", "b"],
        "sentence2": ["c", "d"],
        "label": [0, 1],
    }


def test_unreachable_hub_is_one_clear_line(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(KdbookError, match="KDBOOK_DATA"):
        pawsx.from_hub("nobody/nothing-here", "en")


def test_missing_directory(tmp_path):
    with pytest.raises(KdbookError, match="does not exist"):
        data.load(Data(source=str(tmp_path / "nowhere")))
