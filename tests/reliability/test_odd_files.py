"""Files as strangers have them: each is read whole, or refused in one line that helps, and nothing is lost unseen."""

import csv
import io
import itertools
import json
import os
import re
import shutil
import sys
import tempfile
import unicodedata
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from kdbook.data import files
from kdbook.data.new_profile import ProfileRequest, write
from kdbook.export import predict

CASES = int(os.environ.get("KDBOOK_CASES", "120"))  # of each kind; the nightly run sets 5000
ROWS = 48  # of a generated table
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
LONG = 1_000_001  # characters, more than a cell that is not only read in part may have
ALIKE = r"alike|differ only"  # what remarks say of names that look the same
many = settings(max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
numbers = itertools.count()


# --- the command ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """How the command ended, and what it said."""

    code: int
    text: str

    @property
    def used(self) -> int:
        """The rows that are used, of all splits."""
        head = self.text.partition(" rows;")[0]
        return sum(
            _number(count) for count in re.findall(r"([\d,]+) (?:train|validation|test|unlabelled)", head)
        )

    @property
    def remarks(self) -> list[str]:
        """What is said behind a dash, but for what the encoders of these tests can't read."""
        lines = [line[2:] for line in self.text.splitlines() if line.startswith("- ")]
        return [line for line in lines if "are unknown to embedded:teacher" not in line]

    @property
    def dropped(self) -> int:
        """The rows that a remark counts as dropped; those of other languages are counted by reason as well."""
        counted = r"([\d,]+) rows? (?:is|are) (?:dropped|left out that repeat)"
        counts = (re.search(counted, remark) for remark in self.remarks)
        return sum(_number(found[1]) for found in counts if found)


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def said(*arguments: object) -> Said:
    """What the command says on a terminal for UTF-8; anything but rows or one clear line is a failure."""
    from kdbook.cli import main

    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    errors = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")  # as sys.stderr
    code = 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.setenv("KDBOOK_STORE", str(Path(tempfile.gettempdir()) / "no-store"))
        patch.setenv("COLUMNS", "200")
        patch.setattr(sys, "argv", ["kdbook", *map(str, arguments)])
        patch.setattr(sys, "stdin", io.StringIO())
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    errors.flush()
    text = errors.buffer.getvalue().decode().lstrip("\n")  # a bar that is removed leaves an empty line
    assert code in (0, 1, 2) and "Traceback" not in text
    assert "kdbook: unexpected " not in text, text  # a traceback that is put into a file
    if code == 1:
        line = text.removesuffix("\n")
        assert line.startswith("kdbook: ") and len(line.splitlines()) == 1, text
        assert 20 < len(line) < 2000, text
    return Said(code, text)


def new(
    source: object, *more: object, label: str = "label", text: str = "text", languages: str = "en"
) -> Said:
    """What ``kdbook new`` says of a source; the profile that it writes is removed."""
    profile = Path(tempfile.gettempdir()) / f"odd-{os.getpid()}-{next(numbers)}.toml"
    spoken = ("--languages", languages) if languages else ()
    columns = ("--text", text, "--label", label)
    try:
        done = said("new", profile, "--data", source, *columns, *spoken, "--base", "smoke", *more)
        assert profile.exists() == (done.code == 0)
    finally:
        profile.unlink(missing_ok=True)
    assert not list(profile.parent.glob(f"*{profile.stem}*"))
    return done


def folder_in(path: Path) -> Path:
    """A new folder, since what was read of a path is remembered."""
    (folder := path / str(next(numbers))).mkdir()
    return folder


# --- tables -----------------------------------------------------------------------------------------------


def good_rows(number: int = 40, start: int = 0) -> list[tuple[str, str]]:
    return [
        (f"item {i} is {'fine' if i % 2 else 'poor'} and {i * i}", "good" if i % 2 else "bad")
        for i in range(start, start + number)
    ]


def good_table(number: int = 40, end: str = "\n", separator: str = ",", header=("text", "label")) -> str:
    return "".join(separator.join(row) + end for row in [header, *good_rows(number)])


def write_rows(path: Path, header, rows, end: str = "\n") -> Path:
    """A table in the format that the suffix names; missing values are None."""
    if path.suffix == ".parquet":
        columns = list(zip(*rows, strict=True)) if rows else [[] for _ in header]
        parquet.write_table(pa.table([pa.array(_one_type(column)) for column in columns], list(header)), path)
    elif path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False) + end for row in rows]
        path.write_bytes("".join(lines).encode())
    else:
        text = io.StringIO(newline="")
        cells = [["" if cell is None else str(cell) for cell in row] for row in [header, *rows]]
        if path.suffix == ".tsv":
            text.write("".join("\t".join(row) + end for row in cells))
        else:
            every = csv.QUOTE_ALL if any("\r" in cell for row in cells for cell in row) else csv.QUOTE_MINIMAL
            csv.writer(text, lineterminator=end, quoting=every).writerows(cells)
        path.write_bytes(text.getvalue().encode())
    return path


def _one_type(values):
    """The values of a column, as text if they are of several types, as Parquet has no such columns."""
    types = {type(value) for value in values if value is not None}
    return [None if value is None else str(value) for value in values] if len(types) > 1 else list(values)


def test_a_plain_file_is_used_whole(tmp_path):
    for suffix in SUFFIXES:
        done = new(write_rows(tmp_path / f"rows{suffix}", ("text", "label"), good_rows()))
        assert done.code == 0 and done.used == 40 and not done.remarks
        assert "2 classes: bad, good" in done.text


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rows_without_text_or_label_are_counted(tmp_path, suffix):
    rows = [
        *good_rows(60),
        (None, "good"),
        ("", "bad"),
        ("  ", "bad"),
        ("a text", None),
        ("more", ""),
        ("x", " "),
    ]
    done = new(write_rows(tmp_path / f"rows{suffix}", ("text", "label"), rows))
    assert done.code == 0 and (done.used, done.dropped) == (60, 6)


# --- files beside the chosen ones -------------------------------------------------------------------------

OTHER_FORMS = (
    *("test.csv.gz", "test.csv.bz2", "test.xlsx", "test.json", "test.ndjson", "test.arrow", "test.txt"),
    *("test.CSV.gz", "dev.json", "validation.xlsx", "val.csv.gz", "test.feather"),
    *("test data.xlsx", "test-00000-of-00001.parquet", "test-00001-of-00002.parquet", "test.zip"),
    *(
        "test/",
        "test.csv/",
        "validation/",
        "dev.jsonl/",
        "link to nothing: test.csv",
        "link to itself: test.csv",
    ),
)


def put(folder: Path, form: str) -> str:
    """A file, folder or link of a split; returns its name."""
    kind, _, name = form.rpartition(": ")
    path = folder / name
    if kind == "link to nothing":
        path.symlink_to("moved-away.csv")
    elif kind == "link to itself":
        path.symlink_to(name)
    elif name.endswith("/"):
        path.mkdir()
        write_rows(path / "part-0.csv", ("text", "label"), good_rows(10, 100))
    elif name.endswith(".parquet"):
        write_rows(path, ("text", "label"), good_rows(10, 100))
    else:
        path.write_text(good_table(10))
    return name.rstrip("/")


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_a_split_in_another_form_is_named(tmp_path, form):
    write_rows(tmp_path / "train.csv", ("text", "label"), good_rows())
    name = put(tmp_path, form)
    done = new(tmp_path)
    assert name in done.text, "it is cut from train, and nothing says so"
    assert done.code == 1 or done.used in (40, 50)


@pytest.mark.parametrize("name", ["Test.CSV", "TEST.csv", "Dev.Csv"])
def test_a_split_whose_name_is_written_otherwise_is_read_or_named(tmp_path, name):
    write_rows(tmp_path / "train.csv", ("text", "label"), good_rows())
    put(tmp_path, name)
    done = new(tmp_path)
    assert done.used == 50 or name in done.text


@pytest.mark.parametrize("form", ["test.json", "test.csv.gz", "test/", "link to nothing: test.csv"])
def test_a_split_in_another_form_is_named_where_each_language_has_a_folder(tmp_path, form):
    for language in ("en", "de"):
        (tmp_path / language).mkdir()
        write_rows(tmp_path / language / "train.csv", ("text", "label"), good_rows())
    name = put(tmp_path / "de", form)
    done = new(tmp_path, languages="en,de")
    assert name in done.text


def test_files_that_are_no_splits_do_no_harm(tmp_path):
    write_rows(tmp_path / "train.csv", ("text", "label"), good_rows())
    for name in ("README.md", "LICENSE", ".gitattributes", ".DS_Store", "dataset_infos.json"):
        (tmp_path / name).write_text("words")
    (tmp_path / ".git").mkdir()
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("words")
    done = new(tmp_path)
    assert done.code == 0 and done.used == 40


@pytest.mark.parametrize(
    "name",
    ["Train.csv", "train.CSV", "train.csv.gz", "train.json", "train.xlsx", "reviews.csv", "train.csv/"],
)
def test_a_folder_without_a_training_file_names_what_is_there(tmp_path, name):
    (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).write_text(good_table())
    done = new(tmp_path)
    there = done.text.split("train.parquet")[-1]  # behind the names that are expected
    assert (done.code == 0 and done.used == 40) or (done.code == 1 and name.rstrip("/") in there), done.text


@pytest.mark.parametrize("under", ["", "data"])
def test_shards_are_all_read_or_named(tmp_path, under):
    (tmp_path / under).mkdir(exist_ok=True)
    for number in range(2):
        path = tmp_path / under / f"train-0000{number}-of-00002.parquet"
        write_rows(path, ("text", "label"), good_rows(30, 30 * number))
    done = new(tmp_path)
    named = "train-00000-of-00002.parquet" in done.text or (
        under and under in done.text.split("expected")[-1]
    )
    assert done.used == 60 if done.code == 0 else named, done.text


def test_a_folder_of_parts_that_is_called_like_a_file_names_what_is_there(tmp_path):
    (tmp_path / "r.parquet").mkdir()
    write_rows(tmp_path / "r.parquet" / "part-0.parquet", ("text", "label"), good_rows())
    done = new(tmp_path / "r.parquet")
    assert done.used == 40 if done.code == 0 else "part-0.parquet" in done.text


def test_an_empty_folder_is_one_line(tmp_path):
    assert new(tmp_path).code == 1


def test_a_folder_of_a_thousand_files_is_one_readable_line(tmp_path):
    for number in range(1000):
        (tmp_path / f"a-file-with-a-rather-long-name-{number}.json").write_text("{}")
    assert new(tmp_path).code == 1  # ``said`` checks the length


# --- names that look alike --------------------------------------------------------------------------------

INVISIBLE = ("\u200b", "\u200e", "\ufeff", "\u00ad", "\u2060", "\u200f")
LOOK_ALIKE = (
    *((f"good{mark}", "good") for mark in INVISIBLE),
    *((f"go{mark}od", "good") for mark in INVISIBLE),
    ("g\u043e\u043ed", "good"),  # Cyrillic
    ("\u0441\u043e\u0440", "cop"),  # Cyrillic from end to end
    ("\u0410\u0412", "AB"),
    ("g\u03bf\u03bfd", "good"),  # Greek
    ("\u0391\u0392", "AB"),
    ("very  good", "very good"),
    ("very\u00a0good", "very good"),
    ("very\u2009good", "very good"),
    ("scho\u0308n", "sch\u00f6n"),
    ("Good", "good"),
    ("Go\u200bod", "good"),  # two differences
    ("G\u043e\u043ed", "good"),
    ("very \u00a0good\u200b", "Very good"),
)


def table_of_labels(path: Path, labels, number: int = 84) -> Path:
    rows = [(f"item {i} and {i * i}", labels[i % len(labels)]) for i in range(number)]
    return write_rows(path, ("text", "label"), rows)


@pytest.mark.parametrize(("odd", "plain"), LOOK_ALIKE, ids=[ascii(odd) for odd, _ in LOOK_ALIKE])
def test_labels_that_look_alike_are_remarked_on(tmp_path, odd, plain):
    done = new(table_of_labels(tmp_path / "rows.csv", [odd, plain, "other"]))
    assert done.code == 0 and done.used == 84
    assert any(
        re.search(ALIKE, remark) and (plain in remark or ascii(plain) in remark) for remark in done.remarks
    ), done.text


@pytest.mark.parametrize(
    "labels",
    [
        ("good", "bad", "fair"),
        ("\u0434\u0430", "\u043d\u0435\u0442", "yes", "no"),
        ("1", "10", "100", "-1", "0.1"),
        ("C", "C++", "C#"),
        ("resume", "r\u00e9sum\u00e9"),
        ("a b", "ab"),
        ("\u597d", "\u574f", "\u4e00\u822c"),
        ("\U0001f44d", "\U0001f44e"),
        ("1e3", "200", "-5"),
        ("inf", "1"),
        ("0", "O", "l", "1"),
    ],
)
def test_labels_that_do_not_look_alike_are_not(tmp_path, labels):
    done = new(table_of_labels(tmp_path / "rows.csv", labels))
    assert done.code == 0 and done.used == 84
    assert not [remark for remark in done.remarks if re.search(ALIKE, remark)]


@pytest.mark.parametrize("odd", ["en\u200b", "\u200een", "e\u00adn", "\u0435n", "EN", "\ufeffen"])
@pytest.mark.parametrize("chosen", ["", "en,de"])
def test_languages_that_look_alike_are_remarked_on(tmp_path, odd, chosen):
    names = ["en", "de", odd]
    rows = [(text, label, names[i // 2 % 3]) for i, (text, label) in enumerate(good_rows(120))]
    path = write_rows(tmp_path / "rows.csv", ("text", "label", "lang"), rows)
    done = new(path, "--language", "lang", languages=chosen)
    assert re.search(rf"({ALIKE}|should it be 'en')", done.text), done.text
    assert done.code == 1 or done.used + done.dropped == 120


# --- headers among the rows -------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_row_that_repeats_the_header_is_remarked_on(tmp_path, suffix):
    rows = [*good_rows(40), ("text", "label"), *good_rows(40, 40)]
    done = new(write_rows(tmp_path / f"rows{suffix}", ("text", "label"), rows))
    place = {".jsonl": "line 41", ".parquet": "row 41"}.get(suffix, "line 42")
    assert re.search(rf"{place}\b.*header|header.*{place}\b", done.text), done.text


@pytest.mark.parametrize(
    "again", ["\ufefftext,label,x", "text,label,x\r", '"text","label","x"', " text , label ,x", "text,label,"]
)
def test_a_header_that_is_repeated_in_another_way_is_remarked_on(tmp_path, again):
    table = "".join(f"{text},{label},1\n" for text, label in good_rows(40))
    (tmp_path / "rows.csv").write_text(f"text,label,x\n{table}{again}\n{table}", newline="")
    done = new(tmp_path / "rows.csv")
    assert re.search(r"line 42\b", done.text) and "header" in done.text, done.text


def test_a_repeated_header_does_not_hide_behind_a_language_or_an_id(tmp_path):
    rows = [(i // 2, ("en", "de")[i % 2], f"text {i}", "ab"[i // 2 % 2]) for i in range(80)]
    again = ("n", "lang", "text", "label")
    path = write_rows(tmp_path / "rows.csv", again, [*rows[:40], again, *rows[40:], again])
    for spoken in ("", "en,de"):
        done = new(path, "--language", "lang", "--id", "n", languages=spoken)
        assert "line 42" in done.text and "header" in done.text, done.text


def test_a_repeated_header_in_the_test_rows_is_remarked_on(tmp_path):
    write_rows(tmp_path / "train.csv", ("text", "label"), good_rows(40))
    write_rows(tmp_path / "test.csv", ("text", "label"), [*good_rows(10, 50), ("text", "label")])
    done = new(tmp_path)
    assert re.search(r"test\.csv.*\bline 12\b", done.text), done.text


def test_a_text_that_is_called_like_its_column_is_no_header(tmp_path):
    rows = [*good_rows(40), ("text", "good"), ("label", "bad")]
    done = new(write_rows(tmp_path / "rows.csv", ("text", "label"), rows))
    assert done.code == 0 and done.used == 42 and not done.remarks


# --- ids --------------------------------------------------------------------------------------------------


def data_by_id(folder: Path, suffix: str, ids: dict[str, list]) -> object:
    """The data of a folder for each language, with an id for each row."""
    for language, values in ids.items():
        (folder / language).mkdir()
        rows = [(value, f"{language} text {i}", "ab"[i % 2]) for i, value in enumerate(values)]
        write_rows(folder / language / f"train{suffix}", ("n", "text", "label"), rows)
    request = ProfileRequest(str(folder), ("text",), "label", id="n", languages=tuple(ids), base="smoke")
    return write(folder / "x.toml", request)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_id_is_the_same_as_whole_number_and_with_a_point(tmp_path, suffix):
    data = data_by_id(tmp_path, suffix, {"en": list(range(60)), "de": [float(i) for i in range(60)]})
    homes: dict[float, set[str]] = {}
    for split in ("train", "validation", "test"):
        for item in data[split]["id"]:
            homes.setdefault(float(item), set()).add(split)
    assert len(homes) == 60
    assert [item for item, splits in homes.items() if len(splits) > 1] == []
    assert not [note for note in data.notes if re.search(r"\bids?\b", note)]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_an_id_that_occurs_twice_is_found_in_both_ways_of_writing(tmp_path, suffix):
    rows = [(i, *row) for i, row in enumerate(good_rows(40))]
    path = write_rows(tmp_path / f"rows{suffix}", ("n", "text", "label"), [*rows, (5.0, "once more", "good")])
    done = new(path, "--id", "n")
    assert done.code == 1 and "given before" in done.text


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "ids",
    [
        [2**60 + i for i in range(40)],
        [2**53 + i for i in range(40)],
        [f"{10**20 + i}" for i in range(40)],
        [f"{10**20 + i}.0" for i in range(40)],
        [f"1.{i}" for i in range(1, 10)] + [f"2.{i}" for i in range(1, 32) if i % 10],
        [f"{i}e{j}" for i in range(1, 9) for j in range(5)],
        [f"{i:04x}" for i in range(40)],
        [f"{i}-{j}" for i in range(8) for j in range(5)],
        ["nan", "inf", "infinity", "1_0", "10", "0x10", "\u0661\u0662", "12"] + [f"x{i}" for i in range(32)],
    ],
    ids=lambda ids: str(ids[1]),
)
def test_ids_that_are_different_stay_different(tmp_path, suffix, ids):
    rows = [(item, *row) for item, row in zip(ids, good_rows(len(ids)), strict=True)]
    done = new(write_rows(tmp_path / f"rows{suffix}", ("n", "text", "label"), rows), "--id", "n")
    assert done.code == 0 and done.used == len(ids), done.text


@pytest.mark.parametrize(
    "others", [list(range(100, 140)), [f"de-{i}" for i in range(40)], [i + 0.5 for i in range(40)]]
)
def test_languages_that_share_no_id_are_remarked_on(tmp_path, others):
    data = data_by_id(tmp_path, ".csv", {"en": list(range(40)), "de": others})
    assert [note for note in data.notes if re.search(r"\bids?\b", note)], data.notes


def test_a_language_that_shares_no_id_with_any_other_is_named(tmp_path):
    ids = {"en": list(range(40)), "de": list(range(40)), "fr": list(range(100, 140))}
    data = data_by_id(tmp_path, ".csv", ids)
    assert [note for note in data.notes if re.search(r"\bids?\b", note) and "fr" in note], data.notes


def test_languages_that_share_some_ids_and_single_languages_are_not_remarked_on(tmp_path):
    for number, ids in enumerate(
        ({"en": list(range(40)), "de": list(range(20, 60))}, {"en": list(range(40))})
    ):
        (folder := tmp_path / str(number)).mkdir()
        data = data_by_id(folder, ".csv", ids)
        assert not [note for note in data.notes if re.search(r"\bids?\b", note)], data.notes


def test_ids_of_a_column_of_languages_that_share_none_are_remarked_on(tmp_path):
    rows = [(f"{i}", ("en", "de")[i % 2], f"text {i}", "ab"[i // 2 % 2]) for i in range(80)]
    path = write_rows(tmp_path / "rows.csv", ("n", "lang", "text", "label"), rows)
    done = new(path, "--language", "lang", "--id", "n", languages="")
    assert any(re.search(r"\bids?\b", remark) for remark in done.remarks), done.text


# --- columns ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chosen",
    [
        ("--text", "text", "--text", "text", "--label", "label"),
        ("--text", "label", "--label", "label"),
        ("--text", "text", "--text", "label", "--label", "label"),
        ("--text", "text", "--label", "label", "--id", "text"),
        ("--text", "text", "--label", "label", "--id", "label"),
        ("--text", "text", "--label", "label", "--language", "text"),
        ("--text", "text", "--label", "label", "--language", "label"),
        ("--text", "text", "--label", "label", "--language", "lang", "--id", "lang"),
        ("--text", "text", "--label", "text"),
    ],
)
def test_a_column_has_one_part(tmp_path, chosen):
    rows = [(text, label, "en") for text, label in good_rows(40)]
    path = write_rows(tmp_path / "rows.csv", ("text", "label", "lang"), rows)
    names = [chosen[i + 1] for i in range(0, len(chosen), 2)]
    for more in (["--languages", "en"], [] if "--language" in chosen else ["--language", "lang"]):
        done = said("new", tmp_path / "x", "--data", path, *chosen, *more, "--base", "smoke")
        assert done.code in (1, 2) and not (tmp_path / "x.toml").exists()
        assert any(repr(name) in done.text for name in names if names.count(name) > 1), done.text


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("there", "wanted", "code"),
    [
        ("\ufeff\ufefftext", "text", "U\\+FEFF"),
        ("text\u200b", "text", "U\\+200B"),
        ("te\u00adxt", "text", "U\\+00AD"),
        ("my\u00a0text", "my text", "U\\+00A0"),
        ("t\u0435xt", "text", "U\\+0435"),
        ("scho\u0308n", "sch\u00f6n", "U\\+0308|U\\+00F6|NF[CD]|compos"),
        ("sch\u00f6n", "scho\u0308n", "U\\+0308|U\\+00F6|NF[CD]|compos"),
        ("my  text", "my text", "space|U\\+0020"),
        ("Text", "text", "case|capital|'T'|U\\+0054|Text'"),
    ],
)
def test_a_column_that_looks_like_the_wanted_one_is_taken_or_the_difference_is_told(
    tmp_path, suffix, there, wanted, code
):
    for order in (1, -1) if "\ufeff" in there else (1,):
        rows = [row[::order] for row in good_rows()]
        path = write_rows(folder_in(tmp_path) / f"rows{suffix}", (there, "label")[::order], rows)
        done = new(path, text=wanted)
        assert done.used == 40 if done.code == 0 else re.search(code, done.text), done.text


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("there", ["text ", " text", "\ttext", "text\u00a0", "\u3000text"])
def test_blanks_around_the_name_of_a_column_do_not_matter(tmp_path, suffix, there):
    if suffix == ".tsv" and "\t" in there:
        return
    done = new(write_rows(tmp_path / f"rows{suffix}", (there, "label"), good_rows()))
    if done.code:
        assert not there.isascii() and "U+" in done.text, done.text
    else:
        assert done.used == 40


def test_unnamed_columns_behind_the_others_do_not_matter(tmp_path):
    table = "".join(f"{text},{label},, \n" for text, label in good_rows())
    (tmp_path / "rows.csv").write_text("text , label,, \n" + table)
    done = new(tmp_path / "rows.csv")
    assert done.code == 0 and done.used == 40, done.text


@pytest.mark.parametrize("name", ["te\x07xt", "te\nxt", "\ud800", ""])
def test_names_of_columns_that_none_can_have_are_one_line(tmp_path, name):
    rows = [(text, label, "en") for text, label in good_rows(40)]
    path = write_rows(tmp_path / "rows.csv", ("text", "label", "lang"), rows)
    for languages in ("", "en"):
        assert new(path, "--language", "lang", text=name, languages=languages).code in (1, 2)
        assert new(path, "--language", name or "x", languages=languages).code in (1, 2)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x0b", "\x85", "\u2028", "\x1b[2K"], ids=ascii)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_names_of_columns_with_line_ends_leave_the_message_one_line(tmp_path, suffix, end):
    path = write_rows(tmp_path / f"rows{suffix}", (f"te{end}xt", "label"), good_rows())
    done = new(path)
    assert done.code == 1 and "\x1b" not in done.text


def test_two_columns_that_differ_in_blanks_are_one_line(tmp_path):
    rows = [(text, "x", label) for text, label in good_rows()]
    done = new(write_rows(tmp_path / "rows.jsonl", ("text", "text ", "label"), rows))
    assert done.used == 40 if done.code == 0 else "'text'" in done.text


# --- dialects ---------------------------------------------------------------------------------------------

SEPARATORS = {";": "semicolon", "\t": "tab", "|": "vertical bar|pipe"}


@pytest.mark.parametrize("separator", SEPARATORS, ids=SEPARATORS.values())
@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_another_separator_is_named(tmp_path, separator, quoting, bom):
    text = io.StringIO(newline="")
    rows = [("text", "label", "x"), *((text, label, 1) for text, label in good_rows())]
    csv.writer(text, delimiter=separator, quoting=quoting).writerows(rows)
    (tmp_path / "rows.csv").write_text(bom + text.getvalue(), "utf-8", newline="")
    done = new(tmp_path / "rows.csv")
    assert done.code == 1 and re.search(SEPARATORS[separator], done.text), done.text


def test_commas_in_a_tsv_file_are_named(tmp_path):
    for number, table in enumerate((good_table(), good_table(header=('"text"', '"label"')))):
        (tmp_path / f"{number}.tsv").write_text(table)
        done = new(tmp_path / f"{number}.tsv")
        assert done.code == 1 and "comma" in done.text, done.text


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_first_line_of_excel_that_names_the_separator_is_understood_or_named(tmp_path, separator):
    (tmp_path / "rows.csv").write_text(f"sep={separator}\r\n{good_table(separator=separator)}")
    done = new(tmp_path / "rows.csv")
    assert done.used == 40 if done.code == 0 else "sep=" in done.text, done.text


def with_a_line(place: int, line: str) -> str:
    """A table of which a line is another."""
    lines = good_table(60).splitlines(keepends=True)
    return "".join([*lines[: place - 1], f"{line}\n", *lines[place:]])


def test_backslashes_before_quotes_are_one_line_with_its_place(tmp_path):
    (tmp_path / "rows.csv").write_text(with_a_line(12, r'"they said \"good\", and left",good'))
    done = new(tmp_path / "rows.csv")
    assert done.code == 1 and re.search(r"line 12\b", done.text), done.text


@pytest.mark.parametrize(
    "row", [r'"they said \"good\"; well",good', '"a 5" screen; big",good', '"a; b" ,good']
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_faulty_quote_is_not_blamed_on_the_separator(tmp_path, row, end):
    (tmp_path / "rows.csv").write_text(with_a_line(12, row).replace("\n", end), newline="")
    done = new(tmp_path / "rows.csv")
    assert done.code == 1 and "line 12" in done.text and "separated by" not in done.text, done.text


@pytest.mark.parametrize("place", [2, 12, 61])
@pytest.mark.parametrize("before", ["", '"two\nlines",good\n'])
def test_a_quote_that_never_ends_is_named_where_it_begins(tmp_path, place, before):
    line = before + '"a quote that never ends,good'
    (tmp_path / "rows.csv").write_text(with_a_line(place, line))
    done = new(tmp_path / "rows.csv")
    assert done.code == 1 and re.search(rf"line {place + before.count(chr(10))}\b", done.text), done.text


def test_quotes_within_cells_are_part_of_them(tmp_path):
    (tmp_path / "rows.csv").write_text(with_a_line(12, 'a 5" screen,good'))
    done = new(tmp_path / "rows.csv")
    assert done.code == 0 and done.used == 60 - 0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "mac-roman"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_another_encoding_is_one_line(tmp_path, encoding, suffix):
    path = write_rows(
        tmp_path / f"rows{suffix}", ("text", "label"), [*good_rows(), ("gr\u00fc\u00dfe", "good")]
    )
    path.write_bytes(path.read_text("utf-8").encode(encoding))
    done = new(path)
    assert done.code == 1, done.text


def test_line_ends_of_old_macs_are_read_or_named(tmp_path):
    for suffix in (".csv", ".tsv", ".jsonl"):
        path = write_rows(tmp_path / f"rows{suffix}", ("text", "label"), good_rows(), end="\r")
        done = new(path)
        named = re.search(r"line ends|line endings|carriage return|\bCR\b", done.text)
        assert done.used == 40 if done.code == 0 else named, done.text


# --- sources that are none --------------------------------------------------------------------------------

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1\nsize 12\n"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_pointer_of_git_lfs_says_what_to_do(tmp_path, suffix, end):
    path = tmp_path / f"rows{suffix}"
    path.write_bytes(POINTER.replace("\n", end).encode())
    done = new(path)
    assert done.code == 1 and "git lfs pull" in done.text
    write_rows(folder := tmp_path / "train.csv", ("text", "label"), good_rows())
    path.rename(tmp_path / f"test{suffix}")
    done = new(folder.parent)
    assert "git lfs pull" in done.text, "as a split"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_predict_says_what_to_do_with_a_pointer_of_git_lfs(tmp_path, suffix, student):
    (tmp_path / f"rows{suffix}").write_text(POINTER)
    done = said("predict", tmp_path / f"rows{suffix}", tmp_path / "out.csv", "--student", tmp_path)
    assert done.code == 1 and "git lfs pull" in done.text


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/rows.csv",
        "http://example.com/rows.csv?raw=1",
        "HTTPS://example.com/rows.csv",
        "s3://bucket/rows.csv",
        "gs://bucket/rows",
        "hf://datasets/name/rows",
        "file:///tmp/rows.csv",
        "ftp://example.com/rows.tsv",
    ],
)
def test_urls_are_not_read(url):
    done = new(url)
    assert done.code == 1 and "URL" in done.text and url in done.text


@pytest.mark.parametrize(
    "path",
    [
        "x" * 300 + ".csv",
        "./" + "x" * 300,
        "/tmp/" + "x" * 300 + "/rows.csv",
        "/tmp/" + "x/" * 3000 + "rows.csv",
        "~no-such-user/rows.csv",
        "~no-such-user",
        "/dev/null",
        "/dev/null/rows.csv",
        "/proc/self/mem",
        "/nowhere/rows.csv",
    ],
    ids=lambda path: path[:20],
)
def test_paths_that_lead_nowhere_are_one_line(tmp_path, path, student, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert new(path).code == 1
    assert said("predict", path, tmp_path / "out.csv", "--student", tmp_path).code == 1
    rows = write_rows(tmp_path / "rows.csv", ("text", "label"), good_rows())
    assert said("predict", rows, f"{path}/out.csv", "--student", tmp_path).code in (0, 1)
    profile = path.removesuffix(".csv")
    arguments = ("--data", rows, "--text", "text", "--label", "label", "--languages", "en", "--base", "smoke")
    assert said("new", f"{profile}/x", *arguments).code in (1, 2)


def test_names_of_files_that_are_not_utf_8_are_read_or_one_line(tmp_path, student):
    path = tmp_path / os.fsdecode(b"caf\xe9.csv")
    write_rows(tmp_path / "rows.csv", ("text", "label"), good_rows()).rename(path)
    done = new(path)
    assert done.code == 1 or done.used == 40
    done = said("predict", path, tmp_path / "out.csv", "--student", tmp_path)
    assert done.code == 1 or len(read_back(tmp_path / "out.csv")) == 41


@pytest.fixture
def locked():
    """A folder in which nobody may look, as a user who may not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "locked"
        folder.mkdir()
        write_rows(folder / "rows.csv", ("text", "label"), good_rows())
        write_rows(Path(name) / "rows.csv", ("text", "label"), good_rows())
        assert new(folder / "rows.csv").code == 0  # and everything is imported
        Path(name).chmod(0o777)
        folder.chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o700)


def test_a_folder_that_may_not_be_looked_into_is_one_line(locked, student):
    with pytest.raises(PermissionError):
        list(locked.iterdir())
    assert new(locked / "rows.csv").code == 1
    assert new(locked).code == 1
    assert new(locked / "deeper" / "rows.csv").code == 1
    rows = locked.parent / "rows.csv"
    arguments = ("--data", rows, "--text", "text", "--label", "label", "--languages", "en", "--base", "smoke")
    assert said("new", locked / "x", *arguments).code == 1
    assert (
        said("predict", locked / "rows.csv", locked.parent / "out.csv", "--student", locked.parent).code == 1
    )
    assert said("predict", rows, locked / "out.csv", "--student", locked.parent).code == 1
    assert not (locked.parent / "out.csv").exists()


# --- Parquet ----------------------------------------------------------------------------------------------


def timestamps(unit: str = "us", zone: str | None = None, far: bool = True):
    """Times of which Python knows none or only some."""
    first, second = (2**62, 2**61) if far else (0, 10**6)
    return lambda n: pa.array([(first, second)[i % 2] for i in range(n)], pa.int64()).cast(
        pa.timestamp(unit, zone), safe=False
    )


def two(first: object, second: object, kind: pa.DataType | None = None):
    return lambda n: pa.array([(first, second)[i % 2] for i in range(n)], kind)


def as_type(kind: pa.DataType, storage: pa.DataType, first: int, second: int):
    return lambda n: pa.array([(first, second)[i % 2] for i in range(n)], storage).view(kind)


def invalid_text(n: int):
    """Text that is not UTF-8, as some writers leave it."""
    return pa.array([(b"\xff\xfe", b"abc")[i % 2] for i in range(n)], pa.binary()).view(pa.string())


def far_in_a_list(n: int):
    return pa.ListArray.from_arrays(pa.array(range(n + 1), pa.int32()), timestamps()(n))


def far_in_a_struct(n: int):
    return pa.StructArray.from_arrays([timestamps()(n), two("a", "b")(n)], ["when", "what"])


ARRAYS = {
    "far us": timestamps("us"),
    "far ms": timestamps("ms"),
    "far us with zone": timestamps("us", "Europe/Berlin"),
    "near ns": timestamps("ns", far=False),
    "unknown zone": timestamps("us", "Mars/Olympus", far=False),
    "empty zone": timestamps("us", "", far=False),
    "offset zone": timestamps("us", "+25:99", far=False),
    "near with zone": timestamps("us", "Europe/Berlin", far=False),
    "date32 far": as_type(pa.date32(), pa.int32(), 2**30, -(2**30)),
    "date32 near": as_type(pa.date32(), pa.int32(), 0, 20_000),
    "date64 far": as_type(pa.date64(), pa.int64(), 86_400_000 * 2**31, 0),
    "duration far": as_type(pa.duration("us"), pa.int64(), 2**62, 5),
    "duration ns": as_type(pa.duration("ns"), pa.int64(), 7, 5),
    "time64 ns": as_type(pa.time64("ns"), pa.int64(), 1, 86_399_999_999_999),
    "time32 out of range": as_type(pa.time32("s"), pa.int32(), 90_000, -1),
    "float16": lambda n: pa.array(np.tile(np.array([0.1, 0.2], np.float16), n)[:n]),
    "float32": two(0.1, 0.2, pa.float32()),
    "float32 no numbers": two(float("nan"), float("inf"), pa.float32()),
    "float64": two(0.1, 1e300),
    "decimal": two(Decimal("1.10"), Decimal("2.20"), pa.decimal128(10, 2)),
    "decimal256": two(Decimal(10) ** 60, Decimal(1), pa.decimal256(76, 0)),
    "uint64": two(2**64 - 1, 2**63, pa.uint64()),
    "bool": two(True, False),
    "null": two(None, None, pa.null()),
    "half null": two(None, 1.5),
    "binary": two(b"\xff\x00", b"abc"),
    "fixed binary": two(b"\xff\x00", b"ab", pa.binary(2)),
    "not utf-8": invalid_text,
    "dictionary": lambda n: two("a", "b")(n).dictionary_encode(),
    "dictionary of far": lambda n: timestamps()(n).dictionary_encode(),
    "list": two([1], [2, None]),
    "list of far": far_in_a_list,
    "struct": two({"a": 1}, {"a": None}),
    "struct of far": far_in_a_struct,
    "struct of bytes": two({"a": b"\xff"}, {"a": None}),
    "map": two([("k", 1)], [("k", None)], pa.map_(pa.string(), pa.int32())),
    "large string": two("a", "b", pa.large_string()),
    "string view": two("a", "b", pa.string_view()),
    "text with nul": two("a\0", "b"),
    "empty text": two("", " "),
    "long text": two("x" * LONG, "b"),
    "line ends": two("a\rb", 'c\n"'),
}


def odd_parquet(path: Path, role: str, name: str, number: int = 40, start: int = 0) -> Path:
    """A table with a column of that kind as text, label, language, id, or in none of these roles."""
    columns = {
        "text": pa.array([f"item {start + i} and {i * i}" for i in range(number)]),
        "label": two("good", "bad")(number),
        "lang": pa.array(["en"] * number),
        "id": pa.array(range(number)),
        "more": two("x", "y")(number),
    }
    columns[role] = ARRAYS[name](number)
    parquet.write_table(pa.table(list(columns.values()), list(columns)), path)
    return path


def written(name: str) -> bool:
    """Whether this version of the library writes such a file at all."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            odd_parquet(Path(folder) / "x.parquet", "more", name, 2)
        except pa.ArrowException:
            return False
    return True


KINDS = [name for name in ARRAYS if written(name)]


def test_nearly_every_kind_of_column_is_tried():
    assert len(KINDS) > len(ARRAYS) - 4, set(ARRAYS) - set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_a_column_of_any_kind_that_nobody_asks_for_does_no_harm(tmp_path, name):
    done = new(odd_parquet(tmp_path / "rows.parquet", "more", name))
    assert done.code == 0 and done.used == 40


@pytest.mark.parametrize("role", ["text", "label"])  # other roles below
@pytest.mark.parametrize("name", KINDS)
def test_a_column_of_any_kind_is_used_or_refused_in_one_line(tmp_path, role, name):
    done = new(odd_parquet(tmp_path / "rows.parquet", role, name))
    assert done.code == 1 or done.used + done.dropped == 40, done.text


@pytest.mark.parametrize("name", KINDS)
def test_predict_passes_columns_of_any_kind_on_as_text(tmp_path, student, name):
    done, answers = predicted(tmp_path, odd_parquet(tmp_path / "rows.parquet", "more", name, 3))
    if done.code == 1 and name in ("not utf-8", "text with nul"):
        return
    assert done.code == 0, done.text
    cells = [row[answers[0].index("more")] for row in answers[1:]]
    assert len(cells) == 3
    if name not in ("null", "half null", "empty text", "float32 no numbers"):
        assert all(cells) and len(set(cells)) == 2, cells
    assert "b'" not in "".join(cells), "bytes are no text"


@pytest.mark.parametrize("name", KINDS)
def test_predict_reads_a_text_of_any_kind_or_refuses_it_in_one_line(tmp_path, student, name):
    path, output = (
        odd_parquet(tmp_path / "rows.parquet", "text", name, 3 if name == "long text" else 300),
        tmp_path / "out.csv",
    )
    done = said("predict", path, output, "--student", tmp_path)
    assert done.code == 1 or len(read_back(output)) in (301, 4)


@pytest.mark.parametrize(
    ("kind", "first", "second", "classes"),
    [
        (pa.float32(), 0.1, 0.2, "0.1, 0.2"),
        (pa.float16(), 0.1, 0.2, "0.1, 0.2"),
        (pa.float32(), 1.0, 2.5, "1.0, 2.5"),
        (pa.float16(), -1.0, 0.333, "-1.0, 0.333"),
        (pa.float64(), 0.1, 0.25, "0.1, 0.25"),
        (pa.float64(), 0.1 + 0.2, 5.0, "0.30000000000000004, 5.0"),
        (pa.int8(), 10, 9, "9, 10"),
    ],
)
def test_labels_of_numbers_have_the_shortest_digits(tmp_path, kind, first, second, classes):
    values = [np.float16(value) if kind == pa.float16() else value for value in (first, second)]
    columns = [pa.array([text for text, _ in good_rows()]), two(*values, kind)(40)]
    for wrapped in (columns[1], columns[1].dictionary_encode()) if kind != pa.float16() else (columns[1],):
        path = folder_in(tmp_path) / "rows.parquet"
        parquet.write_table(pa.table([columns[0], wrapped], ["text", "label"]), path)
        done = new(path)
        assert done.code == 0 and f"2 classes: {classes}\n" in done.text, done.text


def test_predict_passes_numbers_on_with_the_shortest_digits(tmp_path, student):
    for number, kind in enumerate((pa.float32(), pa.float64())):
        path, output = tmp_path / f"{number}.parquet", tmp_path / f"{number}.csv"
        parquet.write_table(pa.table([two("a", "b")(2), two(0.1, 0.2, kind)(2)], ["text", "x"]), path)
        assert said("predict", path, output, "--student", tmp_path).code == 0
        assert [row[1] for row in read_back(output)[1:]] == ["0.1", "0.2"]


# --- predict ----------------------------------------------------------------------------------------------


class Counting:
    """A student that knows only whether a text has an even number of characters; it takes what a real one takes."""

    columns, classes = ("text",), ("even", "odd")

    def probabilities(self, *texts):
        assert len(texts) == len(self.columns) and len({len(column) for column in texts}) == 1
        assert all(type(text) is str for column in texts for text in column)
        for column in texts:
            for text in column:
                text.encode()  # the real tokenizer takes no half characters
        lengths = [sum(map(len, row)) for row in zip(*texts, strict=True)]
        return np.array([[1 - n % 2, n % 2] for n in lengths], np.float32).reshape(len(lengths), 2)


class Pairs(Counting):
    columns = ("first", "second")


@pytest.fixture
def student(monkeypatch):
    monkeypatch.setattr(predict, "_open_student", lambda folder: Counting())


@pytest.fixture
def student_of_pairs(monkeypatch):
    monkeypatch.setattr(predict, "_open_student", lambda folder: Pairs())


class Plain(csv.excel_tab):
    """Tabs between cells; quotes are plain text."""

    quoting, quotechar = csv.QUOTE_NONE, None


def read_back(path: Path) -> list[list[str]]:
    """Header and rows of predictions, which the csv module, pandas and kdbook read alike."""
    is_tsv = path.suffix == ".tsv"
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, Plain if is_tsv else csv.excel, strict=True)
    assert {len(row) for row in rows} <= {len(header)}
    dialect = {"sep": "\t", "quoting": csv.QUOTE_NONE} if is_tsv else {}
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[], index_col=False, **dialect)
    assert frame.shape == (len(rows), len(header)), "pandas reads another table"
    at = header.index("prediction")
    assert frame.iloc[:, at].tolist() == [row[at] for row in rows]
    if max((len(cell) for row in rows for cell in row), default=0) <= LONG - 1:
        assert pd.concat(files.chunks(path, [], others=True)).to_numpy().tolist() == rows
    csv.field_size_limit(2**31 - 1)
    return [header, *rows]


def predicted(folder: Path, path: Path, target: str = ".csv") -> tuple[Said, list[list[str]]]:
    """What is said, and header and rows of the output; none where the file is refused."""
    output = folder / f"out-{next(numbers)}{target}"
    before = set(folder.iterdir())
    done = said("predict", path, output, "--student", folder)
    if done.code:
        assert set(folder.iterdir()) == before, "something is left"
        return done, []
    assert set(folder.iterdir()) == before | {output}
    return done, read_back(output)


def write_json(path: Path, rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


WITHOUT_TEXT = [
    {"text": None},
    {"text": ""},
    {"text": "   "},
    {"text": float("nan")},
    {},
    {"text": "\u00a0\t"},
]


@pytest.mark.parametrize("target", [".csv", ".tsv"])
def test_rows_without_a_text_have_no_prediction_and_are_counted(tmp_path, student, target):
    rows = [{"text": "even"}, *WITHOUT_TEXT, {"text": "odd"}, {"text": "nan"}, {"text": "None"}, {"text": 5}]
    odd = [row for row in rows if target == ".csv" or "\t" not in str(row.get("text"))]
    done, (header, *answers) = predicted(tmp_path, write_json(tmp_path / "rows.jsonl", odd), target)
    assert header == ["text", "prediction", "probability of even", "probability of odd"]
    blank = [row for row in odd if row in WITHOUT_TEXT or row.get("text") != row.get("text")]
    for row, cells in zip(odd, answers, strict=True):
        assert (cells[1:] == ["", "", ""]) == (row in blank), (row, cells)
    assert re.search(rf"\b{len(odd)} rows", done.text) and re.search(rf"\b{len(blank)}\b", done.text), (
        done.text
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rows_without_a_text_have_no_prediction_whatever_the_format(tmp_path, student, suffix):
    rows = [("even", "x"), (None, "y"), ("", "z"), ("odd", None), (" ", "x"), ("abcd", "nan")] * 100
    path = write_rows(tmp_path / f"rows{suffix}", ("text", "more"), rows)
    done, (_, *answers) = predicted(tmp_path, path)
    assert [row[2] for row in answers] == ["even", "", "", "odd", "", "even"] * 100
    assert [row[3:] for row in answers[:2]] == [["1.0000", "0.0000"], ["", ""]]
    assert re.search(r"\b300\b", done.text), done.text


def test_rows_without_one_of_two_texts_have_no_prediction(tmp_path, student_of_pairs):
    rows = [("ab", "cd"), ("ab", None), ("", "cd"), (" ", None), ("a", "bc")]
    done, (_, *answers) = predicted(tmp_path, write_rows(tmp_path / "rows.jsonl", ("first", "second"), rows))
    assert [row[2] for row in answers] == ["even", "", "", "", "odd"]
    assert re.search(r"\b3\b", done.text), done.text


def test_no_row_at_all_has_a_text(tmp_path, student):
    done, (_, *answers) = predicted(tmp_path, write_json(tmp_path / "rows.jsonl", [{"text": None}] * 600))
    assert len(answers) == 600 and not any(row[1] for row in answers)
    assert len(re.findall(r"\b600\b", done.text)) >= 1


def test_a_file_with_all_texts_says_nothing_of_missing_ones(tmp_path, student):
    done, answers = predicted(tmp_path, write_json(tmp_path / "rows.jsonl", [{"text": "a"}] * 3))
    assert len(answers) == 4 and len(done.text.splitlines()) == 1
    assert not re.search(r"blank|empty|without", done.text)


LINE_ENDS = [
    "a\rb",
    "a\r\nb",
    "a\nb",
    "\r",
    "a\r",
    "\ra",
    '"\r',
    "a\u2028b",
    "a\u2029b",
    "a\x85b",
    "a\x0bb\x0cc",
]


@pytest.mark.parametrize(
    "cell", [*LINE_ENDS, '"', '""', '"a', 'a"b', "a,b", "\\", "a\\", "\\N", "#", " a ", "\x1a"]
)
@pytest.mark.parametrize("target", [".csv", ".tsv"])
def test_a_cell_is_written_so_that_it_can_be_read(tmp_path, student, cell, target):
    for rows in ([{"text": cell, "x": "y"}], [{"text": "a", "x": cell}], [{"text": "a", cell: "y"}]):
        path = write_json(folder_in(tmp_path) / "rows.jsonl", rows)
        done, answers = predicted(path.parent, path, target)
        if done.code:
            assert target == ".tsv" and set(cell) & set("\r\n\t"), done.text
            continue
        assert len(answers) == 2
        expected = [str(value) for value in rows[0].values()]
        assert answers[1][:2] == expected
        assert answers[0][:2] == [name.strip() for name in rows[0]]


@pytest.mark.parametrize("target", [".csv", ".tsv"])
def test_the_report_of_carriage_returns(tmp_path, student, target):
    rows = [{"text": "line one\rline two", "note": "x"}, {"text": "c", "note": "bare\rreturn"}, {"text": "d"}]
    done, answers = predicted(tmp_path, write_json(tmp_path / "rows.jsonl", rows), target)
    assert (done.code == 0 and len(answers) == 4) or (
        done.code == 1 and target == ".tsv" and ".csv" in done.text
    )


@pytest.mark.parametrize(
    "row",
    [
        {"text": "half \ud83d"},
        {"text": "b", "note": "half \ud83d"},
        {"text": "b", "note": {"x": "half \ud83d"}},
        {"text": "b", "note": {"half \udc00": [1]}},
        {"text": "b", "note": ["\ud83d"]},
        {"text": "b", "half \ud83d": "x"},
        {"text": {"x": "\ud83d"}},
    ],
    ids=ascii,
)
@pytest.mark.parametrize("target", [".csv", ".tsv"])
def test_half_a_character_is_one_line_or_escaped(tmp_path, student, row, target):
    path = write_json(tmp_path / "rows.jsonl", [{"text": "a"}] * 300 + [row])
    done, answers = predicted(tmp_path, path, target)
    assert done.code == 1 or len(answers) == 302
    if done.code == 1:
        assert "rows.jsonl" in done.text and (
            (len(row) == 2 and "x" in row.values()) or "line 301" in done.text
        )


@pytest.mark.parametrize("place", ["text", "label", "lang", "n", "more", "name"])
def test_half_a_character_in_data_is_one_line_or_does_no_harm(tmp_path, place):
    rows = [
        {"text": text, "label": label, "lang": "en", "n": i} for i, (text, label) in enumerate(good_rows())
    ]
    if place == "name":
        rows[5]["half \ud83d"] = "x"
    else:
        rows[5][place] = "half \ud83d"
    path = write_json(tmp_path / "rows.jsonl", rows)
    for text in ("text", "tekst"):
        done = new(path, "--language", "lang", "--id", "n", languages="", text=text)
        assert done.code == 1 or done.used == 40
        assert (done.code == 0) == (text == "text" and place in ("more", "name")), done.text


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_texts_of_any_length_are_read_and_passed_on(tmp_path, student, suffix):
    rows = [("a" * LONG, "x"), ("b", "y" * LONG), ("c" * 3_000_001, "z")]
    path = write_rows(tmp_path / f"rows{suffix}", ("text", "more"), rows)
    done, answers = predicted(tmp_path, path)
    assert done.code == 0, done.text
    assert [row[:2] for row in answers[1:]] == [list(row) for row in rows]
    assert [bool(row[2]) for row in answers[1:]] == [True] * 3


@pytest.mark.parametrize(
    ("value", "fragment"),
    [(1, "1"), (1.5, "1.5"), (True, "rue"), ({"a": ["\u00e9"]}, "\u00e9"), (10**30, "10")],
)
def test_values_of_other_columns_become_text(tmp_path, student, value, fragment):
    _, answers = predicted(tmp_path, write_json(tmp_path / "rows.jsonl", [{"text": "a", "more": value}]))
    assert fragment in answers[1][1]


# --- few distinct texts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("distinct", [2, 3])
def test_few_distinct_texts_are_counted(tmp_path, suffix, distinct):
    rows = [(f"text {i % distinct}", "ab"[i % distinct % 2]) for i in range(1000)]
    done = new(write_rows(tmp_path / f"rows{suffix}", ("text", "label"), rows))
    assert done.code == 1 and f"{distinct} distinct texts" in done.text, done.text


def test_few_distinct_pairs_are_counted(tmp_path):
    rows = [(f"text {i % 2}", "the same", "ab"[i % 2]) for i in range(1000)]
    path = write_rows(tmp_path / "rows.csv", ("text", "second", "label"), rows)
    done = new(path, "--text", "second")
    assert done.code == 1 and re.search(r"\b2 distinct", done.text), done.text


# --- any table --------------------------------------------------------------------------------------------

MISSING = st.sampled_from([None, "", " ", "\u00a0"])
PAIRS_OF_LABELS = [("bad", "good"), (0, 1), (False, True), (0.5, 1.5), ("1", "2"), ("\u597d", "\u574f")]


@dataclass
class Case:
    """A table and how it is written, and what follows from it."""

    suffix: str
    header: list[str]
    rows: list[list]
    separator: str = ","
    quoting: int = csv.QUOTE_MINIMAL
    end: str = "\n"
    marks: int = 0  # of byte order
    encoding: str = "utf-8"
    alike: str = ""
    repeats: tuple[int, ...] = ()  # positions of rows that repeat the header
    neighbours: tuple[str, ...] = ()
    unusable: bool = False  # an id or language is missing
    language: bool = False
    ids: str = ""

    @property
    def plain(self) -> bool:
        """Whether the file is as the documentation asks for."""
        separator = {".csv": ",", ".tsv": "\t"}.get(self.suffix, self.separator)
        end = self.end != "\r" or self.suffix in (".csv", ".parquet")
        return (self.separator, self.encoding) == (separator, "utf-8") and self.marks < 2 and end

    def write(self, path: Path) -> None:
        if self.suffix == ".parquet":
            write_rows(path, self.header, self.rows)
            return
        if self.suffix == ".jsonl":
            rows = (dict(zip(self.header, row, strict=True)) for row in self.rows)
            text = "".join(json.dumps(row, ensure_ascii=False) + self.end for row in rows)
        else:
            cells = [["" if cell is None else str(cell) for cell in row] for row in [self.header, *self.rows]]
            sink = io.StringIO(newline="")
            if self.suffix == ".tsv":
                sink.write("".join(self.separator.join(row) + self.end for row in cells))
            else:
                dialect = {"delimiter": self.separator, "quoting": self.quoting, "lineterminator": self.end}
                csv.writer(sink, **dialect).writerows(cells)
            text = sink.getvalue()
        path.write_bytes(("\ufeff" * self.marks + text).encode(self.encoding, "replace"))

    def place(self, position: int) -> str:
        """What messages call a row."""
        if self.suffix == ".parquet":
            return f"row {position + 1}"
        return f"line {position + (1 if self.suffix == '.jsonl' else 2)}"


def mostly(usual, *others):
    """One value nearly always."""
    return st.one_of(*[st.just(usual)] * 5, st.sampled_from(others))


@st.composite
def cases(draw) -> Case:
    case = Case(draw(st.sampled_from(SUFFIXES)), ["text", "label", "more"], [])
    labels = draw(st.sampled_from(PAIRS_OF_LABELS))
    case.language, case.ids = (
        draw(st.booleans()),
        draw(st.sampled_from(["", "", "int", "float", "text", "apart"])),
    )
    per_item = 2 if case.language else 1
    mores = draw(st.lists(st.sampled_from(["x", 'a "b"', "c, d", "é"]), min_size=1, max_size=4))
    case.header += ["lang"] * case.language + ["n"] * bool(case.ids)
    mark = draw(mostly("", *INVISIBLE, "CASE", "\u0435"))
    for i in range(ROWS * per_item):
        item, language = i // per_item, ("en", "de")[i % per_item]
        label = labels[item % 2]
        if mark and item % 6 == 0:
            label = odd_name(str(label), mark)
            case.alike = case.alike or ("labels" if label != str(labels[0]) else "")
        as_id = {"float": float(item) if language == "de" else item, "text": f"id {item}", "int": item}
        number = as_id.get(case.ids, item if language == "en" else 1000 + item)
        row = [f"item {i} is number {item * item}", label, mores[i % len(mores)]]
        case.rows.append([*row, *[language] * case.language, *[number] * bool(case.ids)])
    for column in draw(
        st.lists(st.sampled_from(["text", "label", "text", "label", "more", *case.header]), max_size=2)
    ):
        for position in draw(st.sets(st.integers(0, len(case.rows) - 1), max_size=3)):
            case.rows[position][case.header.index(column)] = draw(MISSING)
            case.unusable |= column in ("lang", "n")
    if not draw(st.integers(0, 4)):
        case.repeats = tuple(sorted(draw(st.sets(st.integers(5, len(case.rows)), min_size=1, max_size=2))))
        for position in case.repeats:
            case.rows.insert(position, list(case.header))
    case.header = draw(st.permutations(case.header)) if not draw(st.integers(0, 2)) else case.header
    order = [["text", "label", "more", "lang", "n"].index(name) for name in case.header]
    if not case.language and case.ids:
        order = [3 if place == 4 else place for place in order]
    case.rows = [[row[place] for place in order] for row in case.rows]
    case.separator = draw(mostly("\t" if case.suffix == ".tsv" else ",", ";", "|", "\t", ","))
    case.quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    case.end = draw(mostly("\n", "\r\n", "\r"))
    case.marks = draw(mostly(0, 1, 2))
    case.encoding = draw(mostly("utf-8", "utf-16", "latin-1", "mac-roman"))
    case.neighbours = tuple(
        draw(st.sets(st.sampled_from(OTHER_FORMS), max_size=2)) if draw(st.booleans()) else ()
    )
    return case


def odd_name(name: str, mark: str) -> str:
    """A name that looks the same, or is the same where it can't."""
    if mark == "CASE":
        return name.swapcase()
    return name.replace("e", mark) if mark == "\u0435" else name + mark


@settings(many, max_examples=CASES // 2)
@given(cases())
def any_table(tally, path, case):
    folder = folder_in(path)
    in_folder = bool(case.neighbours)
    with tally.trial("any table, with other files beside it"):
        case.write(folder / f"train{case.suffix}")
        names = [
            put(folder, form)
            for form in case.neighbours
            if not (folder / form.rpartition(": ")[2]).is_symlink()
        ]
        more = [*["--language", "lang"] * case.language, *["--id", "n"] * bool(case.ids)]
        done = new(
            folder if in_folder else folder / f"train{case.suffix}",
            *more,
            languages="" if case.language else "en",
        )
        check_table(case, names, done)
    shutil.rmtree(folder)


def check_table(case: Case, names: list[str], done: Said) -> None:
    if done.code:
        if case.plain and not case.unusable and not any(name in done.text for name in names):
            places = [case.place(position) for position in case.repeats]
            assert places and any(place in done.text for place in places), f"refused: {done.text}"
        return
    accounted = done.used + done.dropped
    headers = sum(case.place(position) in done.text for position in case.repeats)
    assert len(case.rows) - headers <= accounted <= len(case.rows), done.text
    for name in names:
        assert name in done.text, f"{name} is passed over in silence"
    if case.alike and (case.encoding == "utf-8" or case.suffix == ".parquet"):  # others lose the character
        assert re.search(ALIKE, done.text), done.text
    for position in case.repeats:
        assert re.search(rf"{case.place(position)}\b", done.text), done.text
    if case.ids == "apart" and case.language:
        assert any(re.search(r"\bids?\b", remark) for remark in done.remarks), done.text
    if case.ids and case.ids != "apart" and not case.repeats:
        assert not any(re.search(r"\bshare\b.*\bid", remark) for remark in done.remarks), done.text


def test_any_table_is_used_whole_or_refused_in_one_line(tmp_path, tally):
    any_table(tally, tmp_path)


# --- any bytes --------------------------------------------------------------------------------------------

PIECES = [
    *(
        b'"',
        b"\n",
        b"\r",
        b"\r\n",
        b",",
        b"\t",
        b";",
        b"\\",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xed\xa0\xbd",
    ),
    *(
        b"\xe2\x80\xa8",
        b"\x1a",
        b"{",
        b"}",
        b"[",
        b"null",
        b"NaN",
        b"1e999",
        b'"text"',
        b"\\ud800",
        b"\xc2\x85",
    ),
    *(b"text,label\n", b"sep=;\n", b"\n\n\n", b"'", b" ", b"\x00t", b'""', b"Infinity", b"-", b'{"text":'),
]


@st.composite
def spoilt(draw) -> tuple[str, bytes]:
    """A good file with pieces inserted, replaced or removed."""
    suffix = draw(st.sampled_from([".csv", ".tsv", ".jsonl"]))
    if suffix == ".jsonl":
        text = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in good_rows())
    else:
        text = good_table(separator="\t" if suffix == ".tsv" else ",")
    content = text.encode()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.one_of(st.integers(0, 30), st.integers(0, len(content))))
        piece = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=4)))
        content = content[:start] + piece + content[start + draw(st.sampled_from([0, 0, 1, len(piece)])) :]
    return suffix, content


def rows_in(suffix: str, content: bytes) -> int:
    """The number of rows, by other means."""
    text = content.decode("utf-8-sig")
    if suffix == ".csv":
        csv.field_size_limit(2**31 - 1)
        return sum(1 for row in csv.reader(io.StringIO(text, newline="")) if row) - 1
    lines = [
        line
        for line in text.split("\n")
        if line.removesuffix("\r").strip(" \t\r" if suffix == ".jsonl" else "")
    ]
    if suffix == ".jsonl":
        return len(lines)
    return len([line for line in text.split("\n") if line.removesuffix("\r")]) - 1


@settings(many, max_examples=CASES // 2)
@given(spoilt())
def any_bytes(tally, path, file):
    suffix, content = file
    folder = folder_in(path)
    with tally.trial("good files with bytes changed"):
        (source := folder / f"rows{suffix}").write_bytes(content)
        done = new(source)
        if done.code == 0:
            rows, accounted = rows_in(suffix, content), done.used + done.dropped
            headers = len([remark for remark in done.remarks if "header" in remark])
            assert rows - headers <= accounted <= rows, done.text
        for target in (".csv", ".tsv"):
            done, answers = predicted(folder, source, target)
            if done.code == 0:
                assert len(answers) - 1 == rows_in(suffix, content)
    shutil.rmtree(folder)


def test_any_bytes_are_read_whole_or_refused_in_one_line(tmp_path, tally, student):
    any_bytes(tally, tmp_path)


def test_a_parquet_file_that_was_cut_is_one_line(tmp_path, student):
    content = write_rows(tmp_path / "whole.parquet", ("text", "label"), good_rows()).read_bytes()
    for length in [0, 1, 3, 4, 8, 12, len(content) // 2, len(content) - 8, len(content) - 1]:
        path = folder_in(tmp_path) / "rows.parquet"
        path.write_bytes(content[:length])
        assert new(path).code == 1
        assert predicted(path.parent, path)[0].code == 1


# --- any predictions --------------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.sampled_from(
        [*LINE_ENDS, "", " ", "nan", "NULL", '"', '""', '"a', "\t", ",", "\u200b", "\ufeff", "\\", "'", "=1"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
)
VALUES = st.one_of(
    st.none(),
    TEXTS,
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(
        ["\ud83d", "x\0y", {"a": "\udc00"}, {"b": [1, None, "é\r"]}, [], {}, 10**300, "z" * 5000]
    ),
)


@st.composite
def tables_of_anything(draw) -> tuple[list[str], list[list]]:
    """Columns and rows of JSON, of which the first column is the text."""
    names = draw(st.lists(TEXTS.filter(lambda name: name.strip() not in ("text", "prediction")), max_size=3))
    names = ["text", *{name.strip(): name for name in names}.values()]
    rows = draw(st.lists(st.lists(VALUES, min_size=len(names), max_size=len(names)), min_size=1, max_size=8))
    return names, rows * draw(st.sampled_from([1, 1, 1, 60]))


def is_missing(value: object) -> bool:
    """Whether there is no text, as training understands it."""
    return value is None or (isinstance(value, float) and not np.isfinite(value)) or str(value).strip() == ""


def has(value: object, characters: str) -> bool:
    """Whether the text of a value has one of these characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return any(character in text for character in characters)


def has_half(value: object) -> bool:
    return any(unicodedata.category(character) == "Cs" for character in json.dumps(value, ensure_ascii=False))


@many
@given(tables_of_anything(), st.sampled_from(SUFFIXES), st.sampled_from([".csv", ".csv", ".tsv"]))
def any_predictions(tally, path, table, suffix, target):
    names, rows = table
    if suffix != ".jsonl":  # these have texts alone
        rows = [
            [None if value is None else str(value).replace("\ud83d", "?") for value in row] for row in rows
        ]
        rows = [[value if value is None or not has_half(value) else "?" for value in row] for row in rows]
    if suffix == ".tsv":
        names = [re.sub(r"[\t\r\n]", " ", name) for name in names]
        rows = [[value and re.sub(r"[\t\r\n]", " ", value) for value in row] for row in rows]
        if len({name.strip() for name in names}) < len(names) or not any(map(any, rows)):
            return
    folder = folder_in(path)
    with tally.trial("predictions for any table"):
        source = folder / f"rows{suffix}"
        if suffix == ".jsonl":
            write_json(source, (dict(zip(names, row, strict=True)) for row in rows))
        else:
            write_rows(source, names, rows)
        if suffix == ".tsv":
            rows = [row for row in rows if len(row) > 1 or row[0]]  # an empty line is no row
        done, answers = predicted(folder, source, target)
        check_predictions(names, rows, suffix, target, done, answers)
    shutil.rmtree(folder)


def check_predictions(names, rows, suffix, target, done, answers) -> None:
    every = [value for row in rows for value in [*row, *names]]
    if done.code:
        excused = any(has_half(value) for value in every) or any(
            has(row[0], "\0") or isinstance(row[0], list | dict) for row in rows
        )
        excused |= any(has(value, "\0") for value in every if isinstance(value, str))
        excused |= target == ".tsv" and any(has(value, "\t\r\n") for value in every)
        assert excused, f"good rows are refused: {done.text}"
        return
    assert len(answers) - 1 == len(rows)
    missing = 0
    for row, cells in zip(rows, answers[1:], strict=True):
        assert (cells[len(names)] == "") == is_missing(row[0]), (row, cells)
        assert (cells[-1] == cells[-2] == "") == is_missing(row[0])
        missing += is_missing(row[0])
        for value, cell in zip(row, cells, strict=False):
            if isinstance(value, str) and not has_half(value):
                assert cell == value, (value, cell)
    assert not missing or re.search(rf"\b{missing:,}\b", done.text), done.text


def test_any_predictions_can_be_read_back(tmp_path, tally, student):
    any_predictions(tally, tmp_path)


@settings(many, max_examples=CASES // 4)
@given(
    st.sampled_from(KINDS),
    st.sampled_from(["text", "label", "lang", "id", "more"]),
    st.integers(1, 60),
    st.sampled_from([".csv", ".tsv"]),
)
def any_columns(tally, path, name, role, number, target):
    folder = folder_in(path)
    number = min(number, 5) if name == "long text" else number
    with tally.trial("columns of any kind of Parquet"):
        source = odd_parquet(folder / "train.parquet", role, name, number)
        odd_parquet(folder / "test.parquet", "more", name, 8, start=1000)
        more = {"lang": ("--language", "lang"), "id": ("--id", "id")}.get(role, ())
        done = new(folder, *more, languages="" if role == "lang" else "en")
        assert done.code == 1 or done.used + done.dropped == number + 8, done.text
        done, answers = predicted(folder, source, target)
        assert done.code == 1 or len(answers) == number + 1
        excused = (
            role == "text"
            or name in ("not utf-8", "text with nul")
            or (name, target) == ("line ends", ".tsv")
        )
        assert done.code == 0 or excused, done.text
    shutil.rmtree(folder)


def test_columns_of_any_kind_are_read_or_refused_in_one_line(tmp_path, tally, student):
    any_columns(tally, tmp_path)
