"""Every format gives the same rows, and what is no row is one clear line."""

import csv
import io
import json
import math
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
    path = written(tmp_path / f"rows{suffix}", rows)
    assert list(next(files.chunks(path, [], others=True))) == HEADER
    assert list(files.read(path, HEADER).itertuples(index=False, name=None)) == rows
    assert files.read(path, ["b"])["b"].tolist() == [row[1] for row in rows]


@pytest.mark.parametrize("suffix", files.FORMATS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_one_clear_line(tmp_path, suffix, content):
    path = tmp_path / f"rows{suffix}"
    path.write_bytes(content)
    try:
        names = list(next(files.chunks(path, [], others=True)))
        columns = [name for name in names if names.count(name) == 1]
        assert files.read(path, columns).map(lambda cell: type(cell) is str).all(axis=None)
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
        rows = files.read(path, HEADER)
        assert f"{rows.index.name} {rows.index[1]}" == f"{path}, {place}"


def test_a_file_in_many_chunks_is_the_same(tmp_path):
    rows = [(f"one {number}", f"two {number}") for number in range(25)]
    for suffix in files.FORMATS:
        path = written(tmp_path / f"rows{suffix}", rows)
        chunks = list(files.chunks(path, HEADER, size=10))
        assert [len(chunk) for chunk in chunks] == [10, 10, 5]
        pd.testing.assert_frame_equal(pd.concat(chunks), files.read(path, HEADER))


def test_numbers_and_missing_values_become_text(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"a": 1, "b": null}\n{"b": 1.5}\n\n{"a": true, "b": "x"}\n{"a": NaN, "b": -Infinity}\n'
    )
    expected = [["1", ""], ["", "1.5"], ["true", "x"], ["", ""]]
    assert files.read(tmp_path / "a.jsonl", HEADER).to_numpy().tolist() == expected
    pd.DataFrame({"a": [1.5, math.nan, math.inf], "b": ["x", None, "nan"]}).to_parquet(tmp_path / "a.parquet")
    expected = [["1.5", "x"], ["", ""], ["", "nan"]]  # the text "nan" is a text
    assert files.read(tmp_path / "a.parquet", HEADER).to_numpy().tolist() == expected


def test_columns_that_nobody_asked_for_may_hold_anything(tmp_path):
    (tmp_path / "a.csv").write_text("a,b,,,c,c\n1,2,,x,y,z\n")
    (tmp_path / "a.jsonl").write_text('{"a": 1, "b": 2, "more": {"x": [1]}}\n{"b": 4, "a": 3, "late": []}\n')
    pd.DataFrame({"a": [1], "b": [2], "list": [[1, 2]], "bytes": [b"\xff"]}).to_parquet(
        tmp_path / "a.parquet"
    )
    for path, rows in (("a.csv", 1), ("a.jsonl", 2), ("a.parquet", 1)):
        cells = files.read(tmp_path / path, ["b", "a"]).to_numpy().tolist()
        assert cells == [["2", "1"], ["4", "3"]][:rows]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", b"", "is not a .csv, .tsv, .jsonl, .parquet file"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"a,a\n1,2\n", "has 2 columns 'a'; it has a, a"),
        (
            "a.csv",
            b"a;b\n1;2\n",
            "has no column 'a'; it has a;b. Its cells seem to be separated by semicolons",
        ),
        ("a.tsv", b"a,b\n1,2\n", "separated by commas; use commas in .csv and tabs in .tsv"),
        ("a.tsv", b'"a"\t"b"\n"1"\t"2"\n', "quotes are plain text; save it as .csv"),
        ("a.tsv", b'a\tb\n1\t"2\n3"\n', "line 3: 1 cells .* quotes do not enclose cells"),
        ("a.csv", b"a,b\n1\n", "line 2: 1 cells where the header has 2"),
        ("a.csv", b'a,b\n1,"2\n', "never ends"),
        ("a.tsv", b"a\tb\n1\t\xff\n", "line 2: byte 3 is not UTF-8"),
        ("a.csv", b"a,b\n1,2\n1,\xff\n", "line 3: byte 3 is not UTF-8"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), "line 1: the file is in UTF-16"),
        ("a.tsv", b"a\tb\n1\t\x00\n", "line 2: a cell contains a character of code 0"),
        ("a.jsonl", b'{"a": 1}\n{"c": 1}\n', "has no column 'b'; it has a, c"),
        ("a.jsonl", b'{"a": 1, "b": "x \\ud83d"}\n', "line 1: .* half of a surrogate pair"),
        ("a.jsonl", b'{"a": 1, "b": 1, "a": 2}\n', "line 1: not valid JSON .the field 'a' occurs twice"),
        ("a.jsonl", b'{"a": 1}\n[1]\n', "line 2: '.1.' is not a JSON object"),
        ("a.jsonl", b'{"a": 1\n', "line 1: not valid JSON"),
        ("a.jsonl", b'{"a": {"b": 1}, "b": 1}\n', "line 1: .* neither text nor number"),
        ("a.parquet", b"PAR1", "can't be read as a Parquet file"),
    ],
)
def test_what_is_no_table_is_one_clear_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(KdbookError, match=message) as raised:
        files.read(tmp_path / name, HEADER)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there():
    with pytest.raises(KdbookError, match="'nowhere.csv' does not exist"):
        files.read(Path("nowhere.csv"), HEADER)
