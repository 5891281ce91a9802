import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdbook.errors import KdbookError
from kdbook.export import predict

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\t\0"), max_size=20)


class Lengths:
    """A student for which two sentences mean the same if they are equally long."""

    columns, classes = ("sentence1", "sentence2"), ("other", "same")

    def probabilities(self, first, second):
        return np.array(
            [
                [len(one) != len(other), len(one) == len(other)]
                for one, other in zip(first, second, strict=True)
            ],
            float,
        )


@pytest.fixture(autouse=True)
def student(monkeypatch):
    monkeypatch.setattr(predict, "_open_student", lambda folder: Lengths())


def labelled(folder: Path, content: str | bytes, source="pairs.csv", target="answers.csv") -> list[list[str]]:
    path, output = folder / source, folder / target
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    output.unlink(missing_ok=True)
    count = predict.predict_file(path, output, folder).rows
    rows = list(csv.reader(io.StringIO(output.read_text("utf-8"), newline="")))
    assert len(rows) == count + 1
    return rows


def test_every_column_stays_and_the_answers_stand_behind(tmp_path):
    rows = labelled(tmp_path, 'id,sentence2,sentence1,x\n7,"a, b","c ""d""",\n8,ab,abc,y\n')
    assert rows == [
        ["id", "sentence2", "sentence1", "x", "prediction", "probability of other", "probability of same"],
        ["7", "a, b", 'c "d"', "", "other", "1.0000", "0.0000"],
        ["8", "ab", "abc", "y", "other", "1.0000", "0.0000"],
    ]


def test_quotes_of_a_tsv_file_are_plain_text(tmp_path):
    rows = labelled(tmp_path, 'sentence1\tsentence2\n"a\tb"\n', "pairs.tsv")
    assert rows[1] == ['"a', 'b"', "same", "0.0000", "1.0000"]


def test_marks_of_byte_order_windows_lines_and_empty_lines(tmp_path):
    assert labelled(tmp_path, b"\xef\xbb\xbfsentence1,sentence2\r\na,b\r\n\r\nc,d\r\n")[1:] == [
        ["a", "b", "same", "0.0000", "1.0000"],
        ["c", "d", "same", "0.0000", "1.0000"],
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=600))
def test_no_row_is_lost_or_changed(tmp_path, rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("sentence1", "sentence2", "more"), *rows])
    output_rows = labelled(tmp_path, text.getvalue())
    assert [tuple(row[:3]) for row in output_rows[1:]] == rows
    assert [row[3] for row in output_rows[1:]] == [
        ("same" if len(first) == len(second) else "other") if first.strip() and second.strip() else ""
        for first, second, _ in rows
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "has no column 'sentence1'"),
        ("sentence1;sentence2\na;b\n", "has no column 'sentence1'"),
        ("", "is empty"),
        ("sentence1,sentence2\na,b\nc\n", "line 3: 1 cells where the header has 2"),
        ('sentence1,sentence2\na,"b\n', "line 2: .* never ends"),
        ("sentence1,sentence2,prediction\na,b,c\n", "has a column 'prediction' already"),
        (b"sentence1,sentence2\nGr\xfc\xdfe,b\n", "line 2: byte 3 is not UTF-8"),
    ],
)
def test_a_bad_file_is_one_clear_line_and_leaves_nothing(tmp_path, content, message):
    with pytest.raises(KdbookError, match=message):
        labelled(tmp_path, content)
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.csv"]


def test_a_cell_that_a_tsv_file_can_t_hold(tmp_path):
    with pytest.raises(KdbookError, match=r"write a \.csv file"):
        labelled(tmp_path, 'sentence1,sentence2\n"a\tb",c\n', target="answers.tsv")


def test_files_of_other_kinds_and_files_that_are_there(tmp_path):
    (tmp_path / "pairs.csv").write_text("sentence1,sentence2\n")
    for source, target, message in (
        ("pairs.xlsx", "new.csv", "is not a .csv, .tsv, .jsonl, .parquet file"),
        ("pairs.csv", "new.txt", "neither"),
        ("pairs.csv", "pairs.csv", "exists already"),
        ("nowhere.csv", "new.csv", "does not exist"),
        ("pairs.csv", "no/folder/new.csv", "No such file"),
    ):
        with pytest.raises(KdbookError, match=message):
            predict.predict_file(tmp_path / source, tmp_path / target, tmp_path)
