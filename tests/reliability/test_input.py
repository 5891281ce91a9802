"""Any bytes as data, any text as a profile: a result or one clear line, and no row lost unseen."""

import csv
import io
import json
import os
import re
import string
import tomllib
from importlib import resources

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdbook.data import files, pawsx
from kdbook.data.audit import REASONS, audit
from kdbook.data.load import load
from kdbook.errors import KdbookError
from kdbook.settings import profile
from kdbook.settings.data import Columns, Data
from kdbook.store.run import read_manifest

CASES = 10 * int(os.environ.get("KDBOOK_CASES", "50"))  # of tables; the nightly tests set 1000
OTHER_CASES = CASES // 3  # of profiles and of manifests
LOADED = CASES // 40  # tables that are loaded and audited in every format
many = settings(max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))

HEADER = "id\tsentence1\tsentence2\tlabel"
ODD = [
    "",
    "NS",
    " ",
    "\0",
    "\r",
    "\x1c",
    "\x85",
    "\u2028",
    "\ufeff",
    '"',
    '""',
    "'",
    "\\",
    ",",
    ";",
    "1.0",
    "yes",
    "-1",
    "<b>",
    "{{x}}",
    "é",
    "0" * 40,
]
CELLS = st.one_of(st.sampled_from(ODD), st.text(max_size=12))
ROWS = st.tuples(
    st.one_of(st.integers(0, 30).map(str), CELLS), CELLS, CELLS, st.one_of(st.sampled_from(["0", "1"]), CELLS)
)
LINE_ENDS = st.sampled_from(["\n", "\n", "\r\n", "\r"])
HEADERS = st.one_of(
    st.just(HEADER), st.just(HEADER), st.permutations(HEADER.split("\t")).map("\t".join), st.text(max_size=30)
)
ENCODINGS = st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"])


@st.composite
def tables(draw) -> bytes:
    """Files that are nearly ones of PAWS-X."""
    end, separator = draw(LINE_ENDS), draw(st.sampled_from(["\t", "\t", "\t", ",", "  "]))
    rows = draw(st.lists(ROWS, max_size=8))
    numbered = draw(st.booleans())
    lines = [separator.join((str(number), *row[1:]) if numbered else row) for number, row in enumerate(rows)]
    return end.join([draw(HEADERS), *lines, ""]).encode(draw(ENCODINGS), "replace")


@st.composite
def spoilt(draw) -> bytes:
    """Good files with some bytes changed."""
    rows = [
        f"{number}\tone {number}\ttwo {number}\t{number % 2}" for number in range(draw(st.integers(0, 9)))
    ]
    content = bytearray("\n".join([HEADER, *rows, ""]).encode())
    for place, byte in draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=3)
    ):
        content[place] = byte
    return bytes(content[: draw(st.integers(0, len(content)))])


def assert_one_line(error: KdbookError) -> None:
    assert "\n" not in str(error)
    assert 10 < len(str(error)) < 2000


@many
@given(st.one_of(tables(), spoilt(), st.binary(max_size=200)))
def read_any_file(tally, path, content):
    with tally.trial("any bytes as data"):
        check_file(path, content)


def check_file(path, content):
    path.write_bytes(content)
    try:
        rows = pawsx.read_tsv(path)
    except KdbookError as error:
        assert_one_line(error)
        assert path.name in str(error)
        return
    lines = [line for line in content.split(b"\n")[1:] if line.removesuffix(b"\r")]
    assert len(rows) == len(lines)
    assert set(rows["label"]) <= {0, 1} and rows["id"].is_unique
    result = audit(rows.assign(language="en"))
    counts = result.counts()
    assert counts["read"].sum() == len(rows) == len(result.kept) + len(result.dropped)
    assert counts["read"].sum() == counts[[*REASONS, "kept"]].to_numpy().sum()


def test_any_file_is_read_whole_or_refused_in_one_line(tmp_path, tally):
    read_any_file(tally, tmp_path / "train.tsv")


SMOKE = tomllib.loads((resources.files("kdbook") / "settings" / "profiles" / "smoke.toml").read_text("utf-8"))
NAMES = st.one_of(
    st.sampled_from(["source", "seeds", "optim.lr", "teacher", "x", "", "data", "threads", "name"]),
    st.text(string.ascii_letters, max_size=6),
)
SCALARS = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.text(max_size=8),
    st.sampled_from([10**400, -1, 0, 2**63, "own", "none", "embedded:x"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)


def toml(value: object) -> str:
    """A value in TOML, near enough."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value) if isinstance(value, bool | str) else str(value)


@st.composite
def profiles(draw) -> bytes:
    """The profile ``smoke`` with some places replaced, added or removed."""
    table = json.loads(json.dumps(SMOKE))
    for _ in range(draw(st.integers(0, 3))):
        place = table
        while isinstance(
            inner := place.get(draw(st.sampled_from(sorted(place)))) if place else None, dict
        ) and draw(st.booleans()):
            place = inner
        key = draw(st.one_of(st.sampled_from(sorted(place)), NAMES)) if place else draw(NAMES)
        if draw(st.integers(0, 4)):
            place[key] = draw(VALUES)
        else:
            place.pop(key, None)
    return "\n".join(f"{json.dumps(key)} = {toml(value)}" for key, value in table.items()).encode()


@st.composite
def spoilt_profiles(draw) -> bytes:
    """The text of a profile with some of it replaced."""
    content = (resources.files("kdbook") / "settings" / "profiles" / "smoke.toml").read_bytes()
    start = draw(st.integers(0, len(content)))
    return content[:start] + draw(st.binary(max_size=6)) + content[start + draw(st.integers(0, 20)) :]


@settings(many, max_examples=OTHER_CASES)
@given(
    st.one_of(
        profiles(),
        spoilt_profiles(),
        st.binary(max_size=100),
        st.integers(1, 3000).map(lambda depth: b"x = " + b"[" * depth),
    )
)
def read_any_profile(tally, path, content):
    path.write_bytes(content)
    with tally.trial("any bytes as a profile"):
        try:
            profile.load(str(path))
        except KdbookError as error:
            assert_one_line(error)


def test_any_profile_is_read_or_refused_in_one_line(tmp_path, tally):
    read_any_profile(tally, tmp_path / "mine.toml")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)
MANIFESTS = st.dictionaries(
    st.one_of(st.text(max_size=12), st.sampled_from(["run.json", "../x", "/x", "a//b", "a\\b", "."])),
    st.text(max_size=4) | JSON,
).map(json.dumps)


@settings(many, max_examples=OTHER_CASES)
@given(st.one_of(MANIFESTS, JSON.map(json.dumps), st.text(max_size=60)))
def read_any_manifest(tally, text):
    with tally.trial("any text as a manifest"):
        try:
            names = read_manifest(text)
        except ValueError:
            return
        assert "run.json" in names
        for name in names:
            assert not name.startswith("/") and ".." not in name.split("/") and "\\" not in name


def test_no_manifest_names_a_file_outside_its_run(tally):
    read_any_manifest(tally)


def test_a_table_of_the_hub_is_checked_like_a_file(tally, monkeypatch):
    import datasets

    for column, value, message in (
        ("label", -1, "row 2: the label is '-1'"),
        ("id", 1, "row 2: the id '1' was given before"),
        ("sentence1", "a\0", "row 2: a cell contains a character of code 0"),
    ):
        rows = pd.DataFrame({"id": [1, 2], "sentence1": ["a", "b"], "sentence2": ["c", "d"], "label": [0, 1]})
        rows[column] = [rows[column][0], value]
        split = datasets.Dataset.from_pandas(rows)
        monkeypatch.setattr(
            datasets,
            "load_dataset",
            lambda name, language, split=split: dict.fromkeys(pawsx.HUB_SPLITS, split),
        )
        with tally.trial("bad row from the hub"), pytest.raises(KdbookError, match=message):
            pawsx.from_hub("name", "de")


VALUES_OF_CELLS = st.one_of(
    st.sampled_from(
        [
            "one",
            "two",
            "a b",
            "",
            " ",
            "NS",
            "nan",
            "None",
            "1",
            "1.0",
            "-1",
            "<b>",
            "{{x}}",
            "$1$",
            "\ufeff",
            "\x85",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\t\0"), max_size=6),
    st.none(),
)
FORMATS_OF_FILES = (".csv", ".tsv", ".jsonl", ".parquet")


@st.composite
def tables_of_texts(draw) -> pd.DataFrame:
    """Texts with a label and a language, nearly all of them good, in columns of any order among others."""
    good = [(f"text {number}", "ab"[number % 2], ("en", "de")[number // 2 % 2]) for number in range(24)]
    odd = draw(st.lists(st.tuples(VALUES_OF_CELLS, VALUES_OF_CELLS, VALUES_OF_CELLS), max_size=3))
    labelled = draw(st.booleans())
    rows = [*good, *((text, label if labelled else "a", language or "en") for text, label, language in odd)]
    frame = pd.DataFrame(rows, columns=["text", "label", "language"], dtype=object)
    return frame[draw(st.permutations(list(frame.columns)))]


def write_table(path, frame: pd.DataFrame) -> None:
    """The same table in the format of the file's name, beside columns that nobody asks for."""
    if path.suffix == ".parquet":
        frame.assign(more=[[1]] * len(frame)).to_parquet(path)
    elif path.suffix == ".jsonl":
        rows = ({"more": {"x": []}} | row for row in frame.to_dict("records"))
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    elif path.suffix == ".tsv":
        lines = [
            "\t".join([*map(str, row), "", ""])
            for row in [tuple(frame.columns), *frame.fillna("").to_numpy()]
        ]
        path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    else:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(
            [[*frame.columns, "", ""], *([*row, "", ""] for row in frame.fillna("").to_numpy())]
        )
        path.write_text(text.getvalue(), "utf-8", newline="")


def rows_of(path) -> list[list[str]] | str:
    """The cells of a file in three columns, or why it is refused, whatever its format."""
    try:
        return files.read(path, ["text", "label", "language"]).to_numpy().tolist()
    except KdbookError as error:
        assert_one_line(error)
        return without_place(error)


def data_of(path) -> tuple[object, ...] | str:
    """What becomes of the rows of a file; the counts add up to them."""
    columns = Columns(texts=("text",), label="label", language="language")
    try:
        read = load.__wrapped__(Data(source=str(path), columns=columns))
    except KdbookError as error:
        assert_one_line(error)
        return without_place(error)
    table = read.audit_table()
    assert (table["read"] == table[[*REASONS, "kept"]].sum(axis=1)).all()
    assert (table["used"] == table["kept"]).all()
    return read.digest(), read.classes, int(table["read"].sum())


def without_place(error: KdbookError) -> str:
    return re.sub(r"(, (line|row) \d+)|^.*?rows\.\w+", "", str(error))


def read_in_every_format(tally, folder, frame, fault, outcome):
    outcomes = []
    for suffix in FORMATS_OF_FILES:
        path = folder / f"rows{suffix}"
        with tally.trial(fault):
            write_table(path, frame)
            outcomes.append(outcome(path))
            assert outcomes[-1] == outcomes[0]
    return outcomes[0]


@settings(many, max_examples=CASES // len(FORMATS_OF_FILES))
@given(tables_of_texts())
def rows_in_every_format(tally, folder, frame):
    rows = read_in_every_format(tally, folder, frame, "any table in any format", rows_of)
    assert isinstance(rows, str) or len(rows) == len(frame)


@settings(many, max_examples=LOADED)
@given(tables_of_texts())
def data_in_every_format(tally, folder, frame):
    read = read_in_every_format(tally, folder, frame, "any table in any format, loaded and audited", data_of)
    assert isinstance(read, str) or read[2] == len(frame)


def test_every_format_gives_the_same_rows_or_the_same_error(tmp_path, tally):
    rows_in_every_format(tally, tmp_path)


def test_every_format_gives_the_same_data_and_counts_that_add_up(tmp_path, tally):
    data_in_every_format(tally, tmp_path)
