"""Every format gives the same rows, and what is no row is one clear line."""

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdbook.data import files
from kdbook.errors import KdbookError

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\t\0"), max_size=20)
ROWS = st.lists(st.tuples(TEXT, TEXT), max_size=30)
HEADER = ["a", "b"]


def written(path: Path, rows: list[tuple[str, str]]) -> Path:
    table = [HEADER, *map(list, rows)]
    if path.suffix == ".csv":
        text = io.StringIO(newline="")
        csv.writer(text).writerows(table)
        path.write_text(text.getvalue(), "utf-8", newline="")
    elif path.suffix == ".tsv":
        path.write_bytes("".join("\t".join(row) + "\n" for row in table).encode())
    elif path.suffix == ".jsonl":
        path.write_text(
            "".join(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n" for row in rows), "utf-8"
        )
    else:
        pd.DataFrame(rows, columns=HEADER, dtype=str).to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", files.FORMATS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ROWS)
def test_no_row_is_lost_or_changed(tmp_path, suffix, rows):
    if suffix == ".jsonl" and not rows:
        return  # without a row it has no columns either
    table = files.read(written(tmp_path / f"rows{suffix}", rows))
    assert table.columns == HEADER
    assert [tuple(row.cells) for row in table.rows] == rows


@pytest.mark.parametrize("suffix", files.FORMATS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_one_clear_line(tmp_path, suffix, content):
    path = tmp_path / f"rows{suffix}"
    path.write_bytes(content)
    try:
        table = files.read(path)
        assert all(len(row.cells) == len(table.columns) for row in table.rows)
    except KdbookError as error:
        assert "\n" not in str(error).replace(str(path), "") or suffix != ".parquet"


def test_each_row_knows_its_place(tmp_path):
    for suffix, place in (
        (".csv", "line 3"),
        (".tsv", "line 3"),
        (".jsonl", "line 2"),
        (".parquet", "row 2"),
    ):
        path = written(tmp_path / f"rows{suffix}", [("1", "2"), ("3", "4")])
        assert [row.where for row in files.read(path).rows][1] == f"{path}, {place}"


def test_numbers_and_missing_values_become_text(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1, "b": null}\n{"b": 1.5}\n\n{"a": true, "b": "x"}\n')
    assert [row.cells for row in files.read(tmp_path / "a.jsonl").rows] == [
        ["1", ""],
        ["", "1.5"],
        ["True", "x"],
    ]
    pd.DataFrame({"a": [1, 2], "b": ["x", None]}).to_parquet(tmp_path / "a.parquet")
    assert [row.cells for row in files.read(tmp_path / "a.parquet").rows] == [["1", "x"], ["2", ""]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", b"", "is no .csv, .tsv, .jsonl, .parquet file"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"a,a\n", "names the column 'a' twice"),
        ("a.csv", b"a,b\n1\n", "line 2: 1 cells where the header has 2"),
        ("a.csv", b'a,b\n1,"2\n', "unexpected end of data"),
        ("a.tsv", b"a\tb\n1\t\xff\n", "line 2: byte 3 is not UTF-8"),
        ("a.csv", b"a,b\n1,\xff\n", "not in UTF-8"),
        ("a.tsv", b"a\tb\n1\t\x00\n", "line 2: a character of code 0"),
        ("a.jsonl", b'{"a": 1}\n{"c": 1}\n', "line 2: the field 'c' is not in the first row"),
        ("a.jsonl", b'{"a": 1}\n[1]\n', "line 2: '.1.' is no JSON object"),
        ("a.jsonl", b'{"a": 1\n', "line 1: not valid JSON"),
        ("a.jsonl", b'{"a": {"b": 1}}\n', "neither text nor number"),
        ("a.parquet", b"PAR1", "is no readable Parquet file"),
    ],
)
def test_what_is_no_table_is_one_clear_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(KdbookError, match=message) as raised:
        list(files.read(tmp_path / name).rows)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there():
    with pytest.raises(KdbookError, match="'nowhere.csv' does not exist"):
        files.read(Path("nowhere.csv"))
