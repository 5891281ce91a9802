"""Whatever the variables, the disk, the terminal and the folder: a command ends with 0, 1 or 2 and a line that helps.

Each trial is a fork of this process, in which everything is imported: it has file descriptors, a working directory and
rights of its own, and costs a fraction of a second where a new interpreter costs several.
"""

import ctypes
import functools
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest
from helpers import kdbook_here
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from runs import make_record, make_run, predictions

from kdbook import cli
from kdbook.data import hub
from kdbook.settings import profile
from kdbook.store import archive
from kdbook.store.local import Store
from kdbook.store.run import MANIFEST, PREDICTIONS, RECORD, RESULTS, Run
from kdbook.study.study import Study

CASES = int(os.environ.get("KDBOOK_CASES", "75"))  # the nightly tests set 2000
NIGHTLY = 1000  # cases, from which on everything is tried
SECONDS = 20  # that no command may take here
LINES = 14  # of an error, at most; a table of usage has about ten
CHARACTERS = 12_000  # of an error, of which a path may take 4,096
UNREACHABLE = "http://127.0.0.1:9"  # the port of a service that discards, on which nothing listens
PROFILE = "smoke"

many = functools.partial(
    settings,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)


def sampled(trials: list[Any], number: int) -> list[Any]:
    """All of some trials at night, always the same few of them by day."""
    return trials if CASES >= NIGHTLY or len(trials) <= number else random.Random(0).sample(trials, number)


# --- a process that costs little ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    code: int
    output: str
    errors: str
    details: list[str]  # what it left in the folder for temporary files


@dataclass(frozen=True)
class Terminal:
    """What the streams of a process are: ``closed``, ``broken``, ``full``, ``hung up``, else open."""

    stdin: str = "empty"
    stdout: str = "open"
    stderr: str = "open"
    encoding: str = "utf-8"
    variables: Mapping[str, str] = field(default_factory=dict)


def ended(
    *arguments: str,
    place: Path,
    variables: Mapping[str, str] | None = None,
    folder: Path | None = None,
    terminal: Terminal | None = None,
    enter: Callable[[], None] = lambda: None,
) -> Ended:
    """Run the command in a fork of this process, in a folder and with home, caches and temporary files in ``place``.

    The fork has no right to pass by the permissions of files, even as root.
    """
    terminal = terminal or Terminal()
    for name in ("home", "tmp"):
        (place / name).mkdir(exist_ok=True)
    before = set(os.listdir(place / "tmp"))
    streams = [place / f"{name}.stream" for name in ("out", "err")]
    with warnings.catch_warnings(action="ignore"):  # about forks beside threads
        child = os.fork()
    if not child:
        _be(arguments, place, variables or {}, folder or place, terminal, streams, enter)
    code = _wait_for(child, arguments)
    output, errors = (path.read_bytes().decode("utf-8", "backslashreplace") for path in streams)
    return Ended(code, output, errors, sorted(set(os.listdir(place / "tmp")) - before))


def _wait_for(child: int, arguments: tuple[str, ...]) -> int:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError(f"HANGS: {arguments} was not done after {SECONDS} seconds")


def _be(arguments, place, variables, folder, terminal, streams, enter) -> NoReturn:
    """Become the command; never return."""
    code = 70
    try:
        _clean_environment(place, {**terminal.variables, **variables})
        for number, (path, kind) in enumerate(
            zip(streams, (terminal.stdout, terminal.stderr), strict=True), 1
        ):
            _redirect(number, kind, path)
        _redirect(0, terminal.stdin, Path(os.devnull))
        sys.stdin = None if terminal.stdin == "closed" else io.TextIOWrapper(io.FileIO(0, closefd=False))
        sys.stdout = _text(1, terminal.stdout, terminal.encoding, "strict")
        sys.stderr = _text(2, terminal.stderr, terminal.encoding, "backslashreplace")
        sys.__stdout__, sys.__stderr__, sys.argv = sys.stdout, sys.stderr, ["kdbook", *arguments]
        os.chdir(folder)
        enter()
        _obey_permissions()
        code = _main()
    except BaseException:
        _say_traceback()
    os._exit(code)


def _main() -> int:
    """What the interpreter does with the command: the exit code, a traceback, and at last a flush."""
    code: object = 0
    try:
        cli.main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        _say_traceback()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            code = 120  # and "Exception ignored in: <stdout>"
    return code if isinstance(code, int) else 1


def _say_traceback() -> None:
    with suppress(Exception):
        os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))


def _clean_environment(place: Path, variables: Mapping[str, str]) -> None:
    for name in list(os.environ):
        if name.startswith(("KDBOOK_", "AWS_", "RAY_", "XDG_", "COLUMNS", "LINES")) or name in (
            "NO_COLOR",
            "TERM",
        ):
            del os.environ[name]
    os.environ |= {
        "HOME": str(place / "home"),
        "TMPDIR": str(place / "tmp"),
        "XDG_CACHE_HOME": str(place / "home" / "cache"),
        **variables,
    }
    tempfile.tempdir = None


def _redirect(number: int, kind: str, path: Path) -> None:
    flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    if number:
        path.write_bytes(b"")
    if kind == "closed":
        os.close(number)
        return
    if kind == "broken":
        reader, opened = os.pipe()
        os.close(reader)
    elif kind == "hung up":
        master, opened = os.openpty()
        os.close(master)
    else:
        opened = os.open("/dev/full" if kind == "full" else path, flags)
    os.dup2(opened, number)
    os.close(opened)


def _text(number: int, kind: str, encoding: str, errors: str) -> io.TextIOWrapper | None:
    if kind == "closed":
        return None
    return io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(number, "wb", closefd=False)),
        encoding=encoding,
        errors=errors,
        line_buffering=number == 2,
    )


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Rights(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


def _obey_permissions() -> None:
    """Give up the rights of root over files of all modes."""
    if sys.platform == "linux" and os.geteuid() == 0:
        header, none = _Header(0x20080522, 0), (_Rights * 2)()
        if ctypes.CDLL(None, use_errno=True).capset(ctypes.byref(header), none):
            raise OSError(ctypes.get_errno(), "the rights of root can't be given up")


def fault_of(done: Ended, terminal: Terminal | None = None) -> str:
    """What is against the promise; empty if nothing is."""
    terminal = terminal or Terminal()
    said = f"{done.errors}\n{done.output[-2000:]}"
    lines = [line for line in done.errors.splitlines() if line.strip()]
    if "Traceback" in said or done.code == 70:
        return "TRACEBACK"
    if "kdbook: unexpected " in done.errors:
        return "UNEXPECTED"
    if done.details or "details are in" in done.errors:
        return "DETAILS of a foreseeable error are put into a file"
    if done.code not in (0, 1, 2):
        return f"EXIT CODE {done.code}"
    if done.code == 1 and not lines and terminal.stderr == "open" and terminal.stdout != "broken":
        return "NOTHING SAID"
    if done.code and (len(lines) > LINES or len(done.errors) > CHARACTERS):
        return f"TOO LONG: {len(lines)} lines, {len(done.errors)} characters"
    if sum(line.startswith("kdbook: ") for line in lines) > 1:
        return "SEVERAL ERRORS"
    if " object at 0x" in said or "0x7f" in said:
        return "AN OBJECT OF PYTHON is shown"
    if "\x1b" in said and "FORCE_COLOR" not in terminal.variables:
        return "CONTROL CHARACTERS reach the terminal"
    return ""


def assert_kept(done: Ended, terminal: Terminal | None = None, case: object = "") -> Ended:
    if fault := fault_of(done, terminal):
        pytest.fail(
            f"{fault}\n{case}\ncode {done.code}\n{done.errors[-1500:]}\n{done.details}", pytrace=False
        )
    return done


# --- what is whole ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Whole:
    """A store with all runs of a profile, made by hand, an export of it, a student, and files to read."""

    folder: Path

    def put(self, name: str, place: Path) -> Path:
        """A copy of one of them."""
        source, target = self.folder / name, place / name
        if source.is_dir():
            return Path(shutil.copytree(source, target, dirs_exist_ok=True))
        return Path(shutil.copy(source, target))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Whole:
    """Everything imported, so that forks need not."""
    from kdbook.data import new_profile
    from kdbook.execution import plan, schedule
    from kdbook.export import predict
    from kdbook.pages import tables

    assert tables and new_profile and plan and predict
    folder = tmp_path_factory.mktemp("whole")
    store = Store(folder / "store")
    frame = predictions([("en", 0, 0), ("en", 1, 1), ("de", 0, 1), ("de", 1, 1)])
    for resolved in Study(profile.load(PROFILE), store).resolved_runs():
        record = make_record(resolved.spec.name, resolved.spec)
        record = record.model_copy(update={"identity": resolved.identity})
        made = make_run(folder / "made", resolved.spec.name, frame, spec=record.spec)
        with store.writing(record.identity.key) as directory:
            shutil.copytree(made.path, directory, dirs_exist_ok=True)
            (directory / "predictor").mkdir()
            (directory / "predictor" / "model.ckpt").write_bytes(b"weights")
            store.finish(directory, record)
    archive.export(list(store)[:2], folder / "runs.zip")
    make_student(folder / "student")
    (folder / "rows.csv").write_text("text,label\n" + "".join(f"a {n} b,{'xy'[n % 2]}\n" for n in range(60)))
    (folder / "shadow.toml").write_text(profile.text(PROFILE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, "train_all", refuse_to_train)
        for command in (
            ("status", "-p", PROFILE),
            ("gc",),
            ("results", "-p", PROFILE),
        ):  # fills caches of modules
            kdbook_here(*command, store=store.root)
    shutil.rmtree(folder / "made")
    return Whole(folder)


def refuse_to_train(*arguments: object) -> None:
    """Nothing is trained here."""


@pytest.fixture(autouse=True)
def nothing_is_trained(monkeypatch):
    from kdbook.execution import schedule

    monkeypatch.setattr(schedule, "train_all", refuse_to_train)
    monkeypatch.setattr(hub, "_load", refuse_to_connect)


def refuse_to_connect(*arguments: object) -> NoReturn:
    """Nothing is asked of the hub here; see test_hub.py."""
    raise ConnectionError("there is no hub")


def make_student(folder: Path) -> None:
    """A folder as ``kdbook export-student`` writes it, with a network of two numbers per token."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "b"]
    table = numpy_helper.from_array(np.eye(len(words), 2, dtype=np.float32), "table")
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("ReduceMean", ["rows"], ["means"], axes=[1], keepdims=0),
        helper.make_node("Softmax", ["means"], ["probabilities"], axis=1),
    ]
    names = ("input_ids", "attention_mask")
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "n"]) for name in names]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["b", 2])]
    graph = helper.make_graph(nodes, "student", inputs, outputs, [table])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder.mkdir()
    for name in ("model.onnx", "model_int8.onnx"):
        onnx.save(model, folder / name)
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    written = {"texts": ["text"], "classes": ["x", "y"], "start": 1, "end": 2, "longest": 16, "pad": 0}
    (folder / "settings.json").write_text(json.dumps(written))


def sealed_again(run: Path) -> None:
    """Write a manifest for the files that a run has now."""
    names = sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
    hashes = {
        name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in names if name != MANIFEST
    }
    (run / MANIFEST).write_text(json.dumps(hashes))


# --- values that nobody would choose -----------------------------------------------------------------------


def _file(content: bytes, name: str = "file") -> Callable[[Path], str]:
    def make(place: Path) -> str:
        (place / name).write_bytes(content)
        return str(place / name)

    return make


def _folder(mode: int, below: str = "", name: str = "closed") -> Callable[[Path], str]:
    def make(place: Path) -> str:
        (place / name).mkdir(exist_ok=True)
        (place / name).chmod(mode)
        return str(place / name / below) if below else str(place / name)

    return make


def _link(target: str, name: str = "link") -> Callable[[Path], str]:
    def make(place: Path) -> str:
        if not (place / name).is_symlink():
            (place / name).symlink_to(target)
        return str(place / name)

    return make


def _fifo(name: str) -> Callable[[Path], str]:
    def make(place: Path) -> str:
        if not (place / name).exists():
            os.mkfifo(place / name)
        return str(place / name)

    return make


def _closed_file(name: str) -> Callable[[Path], str]:
    def make(place: Path) -> str:
        _file(b"x", name)(place)
        (place / name).chmod(0)
        return str(place / name)

    return make


TEXTS = {
    **{
        text: text
        for text in ("ja", "0", "-1", "None", "smoke.toml", "embedded.toml", ".toml", ".", "..", "/", "-")
    },
    "empty": "",
    "blank": "   ",
    "long": "x" * 300,
    "long .toml": "x" * 300 + ".toml",
    "long path": "/".join(["y" * 200] * 30),
    "longest name": "n" * 250 + ".csv",
    "lines": "a\nb",
    "tab": "a\tb",
    "colours": "\x1b[31mred\x1b[0m",
    "markup": "[red]x[/red][/]",
    "nobody": "~nobody-here/x",
    "nobody.toml": "~nobody-here/x.toml",
    "home": "~",
    "one slash": "s3:/x",
    "no slash": "s3:bucket",
    "no scheme": "://",
    "file URL": "file://",
    "URL of a file": "file:///dev/null",
    "URL in /proc": "file:///proc/x",
    "memory": "memory://",
    "unknown": "unknown://x",
    "s3 alone": "s3://",
    "http": f"{UNREACHABLE}/x",
    "zip": "zip://x",
    "chain": "simplecache::file::::",
    "/dev/null": "/dev/null",
    "/dev/zero": "/dev/zero",
    "under /dev/null": "/dev/null/x",
    "/proc": "/proc/x",
    "/proc.toml": "/proc/x.toml",
    "/proc/self/mem": "/proc/self/mem",
    "umlauts": "Größe 😀/ü.toml",
    "bytes": os.fsdecode(b"\xff\xfe"),
    "bytes.toml": os.fsdecode(b"\xff.toml"),
    "surrogate": "\ud800",
    "relative": "../x/../y",
    "quotes": "a'b\"c",
    "percent": "%s%n{x}",
}
MADE: dict[str, Callable[[Path], str]] = {
    "a file": _file(b"x"),
    "a folder": _folder(0o755, name="open"),
    "closed": _folder(0o000),
    "in closed": _folder(0o000, "x"),
    "in closed .toml": _folder(0o000, "x.toml"),
    "in closed .csv": _folder(0o000, "x.csv"),
    "read-only": _folder(0o555, name="read-only"),
    "in read-only": _folder(0o555, "x", name="read-only"),
    "in read-only .toml": _folder(0o555, "x.toml", name="read-only"),
    "in read-only .csv": _folder(0o555, "x.csv", name="read-only"),
    "in read-only .zip": _folder(0o555, "x.zip", name="read-only"),
    "not listed": _folder(0o300, name="not-listed"),
    "dangling": _link("nowhere"),
    "dangling .toml": _link("nowhere", "link.toml"),
    "loop": _link("loop", "loop"),
    "loop .toml": _link("loop.toml", "loop.toml"),
    "endless .toml": _link("/dev/zero", "endless.toml"),
    "endless .csv": _link("/dev/zero", "endless.csv"),
    "pipe": _fifo("pipe"),
    "pipe .toml": _fifo("pipe.toml"),
    "pipe .csv": _fifo("pipe.csv"),
    "pipe .zip": _fifo("pipe.zip"),
    "folder .toml": _folder(0o755, name="folder.toml"),
    "folder .csv": _folder(0o755, name="folder.csv"),
    "closed .toml": _closed_file("closed.toml"),
    "closed .csv": _closed_file("closed.csv"),
    "closed .zip": _closed_file("closed.zip"),
    "empty .toml": _file(b"", "empty.toml"),
    "bytes in .toml": _file(b"\xff\xfe\x00x", "bytes.toml"),
    "garbage .toml": _file(b"[[[", "garbage.toml"),
    "null .toml": _file(b"base = 'smoke'\n\x00", "null.toml"),
    "deep .toml": _file(b"a = " + b"[" * 5000, "deep.toml"),
    "wrong .toml": _file(b"base = 3", "wrong.toml"),
    "data .toml": _file(b"base = 'smoke'\ndata = 3", "data.toml"),
    "source .toml": _file(b"base = 'smoke'\n[data]\nsource = '~nobody-here/x'", "source.toml"),
    "checkpoint .toml": _file(b"base = 'smoke'\n[teacher]\ncheckpoint = '~nobody-here'", "check.toml"),
    "checkpoint /proc .toml": _file(b"base = 'smoke'\n[teacher]\ncheckpoint = '../../proc/x'", "proc.toml"),
    "mine .toml": _file(b"base = 'smoke'\n", "mine.toml"),
    "seed .toml": _file(b"base = 'smoke'\n[student]\nseeds = [1e400]\n", "seed.toml"),
    "empty .csv": _file(b"", "empty.csv"),
    "bytes in .csv": _file(b"text,label\n\xff,\xfe\n", "bytes.csv"),
    "empty .zip": _file(b"", "empty.zip"),
    "bytes in .zip": _file(b"PK\x03\x04" + bytes(range(256)), "bytes.zip"),
}
VALUES = (*TEXTS, *MADE)


def value_of(kind: str, place: Path) -> str:
    """A value for a variable or an argument, with the files that it needs."""
    if kind in MADE:
        return MADE[kind](place)
    return TEXTS.get(kind, kind)


# --- (a) variables, folders and terminals, in all combinations ---------------------------------------------

VARIABLES = ("PROFILE", "DATA", "STORE", "ANY_VERSIONS", "SITE", "REPOSITORY")
WHERE = ("plain", "plain", "plain", "deleted", "read-only", "closed", "spaces", "bytes", "book")
BOOKS = (
    "bytes",
    "null",
    "list",
    "folder",
    "closed",
    "chapters that are missing",
    "aliases",
    "parts of numbers",
)
TERMINALS = {
    "plain": Terminal(),
    "ascii": Terminal(encoding="ascii", variables={"PYTHONIOENCODING": "ascii"}),
    "latin-1": Terminal(encoding="latin-1", variables={"PYTHONIOENCODING": "latin-1"}),
    "cp1252": Terminal(encoding="cp1252"),
    "utf-16": Terminal(encoding="utf-16", variables={"PYTHONIOENCODING": "utf-16"}),
    "ascii, narrow": Terminal(encoding="ascii", variables={"COLUMNS": "30"}),
    "dumb": Terminal(variables={"TERM": "dumb"}),
    "no name": Terminal(variables={"TERM": ""}),
    "coloured": Terminal(variables={"FORCE_COLOR": "1"}),
    **{
        f"COLUMNS={value!r}": Terminal(variables={"COLUMNS": value, "LINES": value})
        for value in ("1", "0", "-5", "ja", "", "1" * 30, "٣")
    },
    "stdout closed": Terminal(stdout="closed"),
    "stdout broken": Terminal(stdout="broken"),
    "stdout full": Terminal(stdout="full"),
    "stderr closed": Terminal(stderr="closed"),
    "stderr broken": Terminal(stderr="broken"),
    "stderr full": Terminal(stderr="full"),
    "stdin closed": Terminal(stdin="closed"),
    "stdin hung up": Terminal(stdin="hung up"),
    "all closed": Terminal(stdin="closed", stdout="closed", stderr="closed"),
}
COMMANDS: dict[
    str, tuple[str, ...]
] = {  # what is in braces is a file or folder that is whole, or a hostile value
    "run": ("run",),
    "run -p": ("run", "-p", "{PROFILE}"),
    "plan": ("plan",),
    "status": ("status",),
    "status -p": ("status", "-p", "{PROFILE}"),
    "status --json": ("status", "--json"),
    "results": ("results",),
    "results --json": ("results", "--json"),
    "verify": ("verify",),
    "verify --json": ("verify", "--json"),
    "gc": ("gc",),
    "gc --yes": ("gc", "--yes"),
    "gc -p": ("gc", "--yes", "-p", "{PROFILE}"),
    "export": ("export", "{NEW .zip}"),
    "import": ("import", "{ARCHIVE}"),
    "export-student": ("export-student", "{NEW}", "--run", "{ANY}"),
    "predict": ("predict", "{ROWS}", "{NEW .csv}", "--student", "{STUDENT}"),
    "data check": ("data", "check", "{ANY}"),
    "new": ("new", "{NEW}", "--data", "{ROWS}", "--text", "text", "--label", "label", "--languages", "en"),
    "new from": (
        "new",
        "{NEW}",
        "--data",
        "{ROWS}",
        "--text",
        "{ANY}",
        "--label",
        "{ANY}",
        "--language",
        "{ANY}",
    ),
    "new base": (
        *("new", "{NEW}", "--data", "{ROWS}", "--text", "text", "--label", "label", "--languages", "{ANY}"),
        *("--base", "{ANY}", "--teacher", "{ANY}", "--student", "{ANY}"),
    ),
    "new asks": ("new", "{NEW}"),
    "help": ("--help",),
    "help of": ("status", "--help"),
    "nothing": (),
    "unknown": ("{ANY}",),
    "unknown option": ("status", "{ANY}"),
}
READS_PROFILE = {
    "run",
    "plan",
    "status",
    "status --json",
    "results",
    "results --json",
    "export",
    "export-student",
}
WHOLE = {"PROFILE": PROFILE, "ARCHIVE": "runs.zip", "ROWS": "rows.csv", "STUDENT": "student"}
NEW = {"NEW": "new", "NEW .zip": "new.zip", "NEW .csv": "new.csv"}


@dataclass(frozen=True)
class Case:
    """A command, hostile values for some of its arguments and variables, and where it runs."""

    command: str
    values: tuple[str, ...] = ()  # of the arguments in braces, the first ones first; others are whole
    variables: tuple[tuple[str, str], ...] = ()
    where: str = "plain"
    terminal: str = "plain"
    damage: str = ""

    def tried(self, whole: Whole, place: Path) -> Ended:
        values = iter(self.values)
        arguments = [
            self._argument(part, next(values, "whole"), whole, place) if part.startswith("{") else part
            for part in COMMANDS[self.command]
        ]
        store = whole.put("store", place)
        if self.damage:
            DAMAGE[self.damage](store)
        variables = {"KDBOOK_PROFILE": PROFILE, "KDBOOK_STORE": str(store)}
        variables |= {name_of(name): value_of(kind, place) for name, kind in self.variables}
        folder, enter = _working_directory(self.where, place)
        terminal = TERMINALS[self.terminal]
        return ended(
            *arguments, place=place, variables=variables, folder=folder, terminal=terminal, enter=enter
        )

    def _argument(self, part: str, kind: str, whole: Whole, place: Path) -> str:
        name = part.strip("{}")
        if kind != "whole":
            return value_of(kind, place)
        if name in NEW:
            return str(place / NEW[name])
        if name == "PROFILE":
            return PROFILE
        return str(whole.put(WHOLE[name], place)) if name in WHOLE else "nothing"


def name_of(variable: str) -> str:
    return variable if variable == "RAY_ADDRESS" else f"KDBOOK_{variable}"


def _working_directory(where: str, place: Path) -> tuple[Path, Callable[[], None]]:
    """A folder to begin in, and what happens to it once the process is there."""
    name = {"spaces": "Größe mit  Leerzeichen 😀", "bytes": os.fsdecode(b"\xff here")}.get(where, "here")
    folder = place / name
    folder.mkdir(exist_ok=True)
    if where == "deleted":
        return folder, lambda: folder.rmdir()
    if where in ("read-only", "closed"):
        return folder, lambda: folder.chmod(0o555 if where == "read-only" else 0)
    if where.startswith("book"):
        _make_book(folder, where.partition(" ")[2] or "bytes")
    return folder, lambda: None


def _make_book(folder: Path, kind: str) -> None:
    """A folder that looks like the project of a book, and is none."""
    contents = {
        "null": "",
        "list": "- a\n- b\n",
        "chapters that are missing": "root: book/index\nchapters:\n- file: book/nowhere\n",
        "aliases": "root: &a [*a]\n",
        "parts of numbers": "root: 3\nparts: 4\nchapters: 5\n",
    }
    path = folder / "_toc.yml"
    if kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(contents[kind].encode() if kind in contents else b"\xff\x00: [")
    if kind == "closed":
        path.chmod(0)
    (folder / "_build" / ".doctrees").mkdir(parents=True, exist_ok=True)
    (folder / "_build" / ".doctrees" / "chapters.json").write_bytes(b"{\xff")


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A folder of one trial that is removed whatever the modes in it."""
    place = Path(tempfile.mkdtemp(dir=parent))
    try:
        yield place
    finally:
        _open_all(place)
        shutil.rmtree(place, ignore_errors=True)


def _open_all(place: Path) -> None:
    for folder, folders, _ in os.walk(place):
        for name in folders:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755)


@st.composite
def cases(draw) -> Case:
    """Any command with a hostile value or two, somewhere odd, on an odd terminal."""
    command = draw(st.sampled_from(tuple(COMMANDS)))
    slots = sum(part.startswith("{") for part in COMMANDS[command])
    value = st.one_of(st.just("whole"), st.sampled_from(VALUES))
    values = draw(st.tuples(*[value] * slots))
    variables = draw(st.dictionaries(st.sampled_from(VARIABLES), st.sampled_from(VALUES), max_size=2))
    where = draw(st.sampled_from(WHERE))
    where = f"book {draw(st.sampled_from(BOOKS))}" if where == "book" else where
    terminal = draw(st.one_of(st.just("plain"), st.sampled_from(tuple(TERMINALS))))
    damage = draw(st.one_of(st.just(""), st.sampled_from(tuple(DAMAGE))))
    return Case(command, values, tuple(variables.items()), where, terminal, damage)


# --- stores that are not whole ------------------------------------------------------------------------------


def _change(name: str, content: bytes, seal: bool = True) -> Callable[[Path], None]:
    """Other bytes in a file of the first runs; with a manifest that lists them, or not."""

    def make(store: Path) -> None:
        for run in _runs(store)[:3]:
            (run / name).write_bytes(content)
            if seal:
                sealed_again(run)

    return make


def _field(**fields: object) -> Callable[[Path], None]:
    """Other values at the top of the record of the first runs."""

    def make(store: Path) -> None:
        for run in _runs(store)[:3]:
            record = json.loads((run / RECORD).read_text("utf-8"))
            (run / RECORD).write_text(json.dumps(record | fields))
            sealed_again(run)

    return make


def _replace(name: str, how: str) -> Callable[[Path], None]:
    """Something else of the name of a folder or file of the store."""

    def make(store: Path) -> None:
        path = store / (name if name != "RUN" else _runs(store)[0].name)
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        if how == "file":
            path.write_bytes(b"\xff\x00")
        elif how == "folder":
            path.mkdir()
        elif how == "link":
            path.symlink_to("nowhere")
        elif how == "loop":
            path.symlink_to(path.name)
        elif how == "pipe":
            os.mkfifo(path)

    return make


def _mode(name: str, mode: int) -> Callable[[Path], None]:
    def make(store: Path) -> None:
        path = store / (name.replace("RUN", _runs(store)[0].name))
        path.chmod(mode)

    return make


def _leftover(store: Path) -> None:
    (store / "partial" / ("0" * 20)).mkdir(parents=True)


def _nested(store: Path) -> None:
    _change(RECORD, b"[" * 100_000)(store)


def _columns(store: Path) -> None:
    import pandas as pd

    for run in _runs(store)[:3]:
        pd.DataFrame({"id": [1], "language": ["xx"], "label": [9], "prediction": [None]}).to_parquet(
            run / PREDICTIONS
        )
        sealed_again(run)


def _no_rows(store: Path) -> None:
    for run in _runs(store):
        Run(run).predictions.iloc[:0].to_parquet(run / PREDICTIONS)
        sealed_again(run)


def _others_rows(store: Path) -> None:
    """Rows that are not those of the other runs, in one language."""
    for run in _runs(store)[:3]:
        predictions([("en", 0, 1)]).to_parquet(run / PREDICTIONS)
        sealed_again(run)


def _runs(store: Path) -> list[Path]:
    return sorted(path for path in store.iterdir() if len(path.name) == 20 and path.is_dir())


DAMAGE: dict[str, Callable[[Path], None]] = {
    "layout empty": lambda store: (store / "layout").write_bytes(b"") and None,
    "layout of bytes": lambda store: (store / "layout").write_bytes(b"\xff\x00\xfe") and None,
    "layout of another": lambda store: (store / "layout").write_text("999") and None,
    "layout long": lambda store: (store / "layout").write_bytes(b"9" * 10**6) and None,
    **{f"{how} for layout": _replace("layout", how) for how in ("folder", "link", "loop")},
    **{
        f"{how} for {name}": _replace(name, how)
        for name in ("locks", "partial", "digests")
        for how in ("file", "link")
    },
    **{f"{how} for a run": _replace("RUN", how) for how in ("file", "link", "loop", "folder", "pipe")},
    "closed store": lambda store: store.chmod(0),
    "read-only store": lambda store: store.chmod(0o555),
    "closed run": _mode("RUN", 0),
    "closed record": _mode(f"RUN/{RECORD}", 0),
    "closed manifest": _mode(f"RUN/{MANIFEST}", 0),
    "closed predictions": _mode(f"RUN/{PREDICTIONS}", 0),
    "closed layout": _mode("layout", 0),
    "closed locks": _mode("locks", 0),
    "closed partial": _mode("partial", 0),
    "record of bytes": _change(RECORD, b"\xff\xfe"),
    "record null": _change(RECORD, b"null"),
    "record {}": _change(RECORD, b"{}"),
    "record unsealed": _change(RECORD, b"{", seal=False),
    "record deep": _nested,
    "manifest of bytes": _change(MANIFEST, b"\xff\xfe", seal=False),
    "manifest []": _change(MANIFEST, b"[]", seal=False),
    "manifest deep": _change(MANIFEST, b"[" * 100_000, seal=False),
    "manifest of paths": _change(MANIFEST, b'{"run.json": "x", "../../x": "y"}', seal=False),
    **{
        f"garbage in {name}": _change(name, b"PAR1 garbage PAR1")
        for name in RESULTS
        if name.endswith(".parquet")
    },
    **{f"nothing in {name}": _change(name, b"") for name in RESULTS if name.endswith(".parquet")},
    "other columns": _columns,
    "no rows": _no_rows,
    "rows of others": _others_rows,
    "profile unknown": _field(profile="nowhere"),
    "profile of bytes": _field(profile="\udcff"),
    "profile long": _field(profile="x" * 300 + ".toml"),
    "profile in colour": _field(profile="\x1b[31m"),
    "profile of nobody": _field(profile="~nobody-here/x.toml"),
    "profile /dev/zero": _field(profile="/dev/zero"),
    "source of nobody": _field(source="~nobody-here"),
    "source long": _field(source="x" * 300),
    "source null": _field(source="a\0b"),
    "source in colour": _field(source="\x1b[31m"),
    "name in colour": _field(name="\x1b[31m\ud800"),
    "interrupted run": _leftover,
}


ABOUT_STORES = (
    "status",
    "results",
    "results --json",
    "verify",
    "verify --json",
    "gc",
    "gc --yes",
    "run",
    "export",
)


@pytest.mark.parametrize("damage", sampled([*DAMAGE], 30))
def test_a_store_that_is_not_whole_is_a_line(damage, whole, tmp_path):
    chosen = ABOUT_STORES if CASES >= NIGHTLY else random.Random(damage).sample(ABOUT_STORES, 1)
    for command in chosen:
        with scratch(tmp_path) as place:
            case = Case(command, damage=damage)
            assert_kept(case.tried(whole, place), case=case)


@pytest.mark.parametrize(
    ("variable", "kind"),
    sampled(
        [(variable, kind) for variable in ("PROFILE", "STORE", "DATA", "ANY_VERSIONS") for kind in VALUES], 60
    ),
)
def test_a_variable_of_any_value_is_obeyed_or_explained(variable, kind, whole, tmp_path):
    command = "verify" if variable == "STORE" else "status"
    with scratch(tmp_path) as place:
        case = Case(command, variables=((variable, kind),))
        assert_kept(case.tried(whole, place), case=case)


@pytest.mark.parametrize("terminal", TERMINALS)
def test_a_terminal_of_any_kind_gets_an_answer_or_a_line(terminal, whole, tmp_path):
    commands = ("results --json", "gc", "status", "verify", "new asks", "unknown", "help of")
    for command in commands if CASES >= NIGHTLY else commands[:2]:
        with scratch(tmp_path) as place:
            case = Case(command, terminal=terminal, damage="interrupted run" if command == "gc" else "")
            assert_kept(case.tried(whole, place), TERMINALS[terminal], case)


@pytest.mark.parametrize("where", sorted({*WHERE, *(f"book {kind}" for kind in BOOKS)} - {"plain", "book"}))
def test_a_working_directory_of_any_kind_is_no_obstacle_or_a_line(where, whole, tmp_path):
    for command in ("status", "export", "verify", "gc", "new", "predict")[: None if CASES >= NIGHTLY else 2]:
        for variables in ((), (("STORE", "empty"),)):
            with scratch(tmp_path) as place:
                case = Case(command, where=where, variables=variables)
                assert_kept(case.tried(whole, place), case=case)
            if where.startswith("book") and command != "status":
                break


@many(max_examples=CASES // 3)
@given(case=cases())
@example(case=Case("new asks", terminal="stdin closed"))
@example(case=Case("status", terminal="stdout closed"))
def test_no_traceback_from_any_combination(case, whole, tmp_path_factory):
    with scratch(tmp_path_factory.getbasetemp()) as place:
        assert_kept(case.tried(whole, place), TERMINALS[case.terminal], case)


# --- (b) students ---------------------------------------------------------------------------------------------


def _settings_changed(**fields: object) -> Callable[[Path], None]:
    def make(student: Path) -> None:
        path = student / "settings.json"
        written = json.loads(path.read_text()) | fields
        path.write_text(json.dumps({name: value for name, value in written.items() if value != "REMOVED"}))

    return make


def _written(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda student: (student / name).write_bytes(content) and None


def _tokenizer_of(*words: str) -> Callable[[Path], None]:
    def make(student: Path) -> None:
        from tokenizers import Tokenizer, models

        Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, words[0])).save(
            str(student / "tokenizer.json")
        )

    return make


def _float_input(student: Path) -> None:
    """A network with other inputs and outputs."""
    from onnx import TensorProto, helper, save

    inputs = [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["b", "n"])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", "n"])]
    graph = helper.make_graph([helper.make_node("Relu", ["pixels"], ["y"])], "g", inputs, outputs)
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        student / "model_int8.onnx",
    )


KEYS = ("texts", "classes", "start", "end", "longest", "pad")
WRONG = (
    None,
    "REMOVED",
    [],
    {},
    "x",
    0,
    -1,
    3,
    10**30,
    1.5,
    [1, 2],
    ["a", "a"],
    ["text", "label"],
    [None, None],
    True,
)
STUDENTS: dict[str, Callable[[Path], None]] = {
    **{f"{name} missing": (lambda student, name=name: (student / name).unlink()) for name in
       ("settings.json", "tokenizer.json", "model_int8.onnx", "model.onnx")},
    **{f"{name} empty": _written(name, b"") for name in ("settings.json", "tokenizer.json", "model_int8.onnx")},
    **{f"{name} of bytes": _written(name, b"\xff\xfe\0" * 99) for name in
       ("settings.json", "tokenizer.json", "model_int8.onnx")},
    **{f"{name} {text}": _written(name, text.encode()) for name in ("settings.json", "tokenizer.json") for text in
       ("{}", "[]", "null", "3", '"x"', "[" * 9999)},
    **{f"{key} = {value!r}": _settings_changed(**{key: value}) for key in KEYS for value in WRONG},
    "tokenizer of fewer words": _tokenizer_of("a"),
    "tokenizer of more words": _tokenizer_of(*(f"w{n}" for n in range(99))),
    "another network": _float_input,
    "cut network": lambda student: os.truncate(student / "model_int8.onnx", 100),
    "closed network": lambda student: (student / "model_int8.onnx").chmod(0),
    "closed settings": lambda student: (student / "settings.json").chmod(0),
    "closed folder": lambda student: student.chmod(0),
}  # fmt: skip


@pytest.mark.parametrize("damage", sampled([*STUDENTS], 30))
def test_a_student_that_is_not_whole_is_a_line(damage, whole, tmp_path):
    student, rows = whole.put("student", tmp_path), whole.put("rows.csv", tmp_path)
    STUDENTS[damage](student)
    done = ended("predict", str(rows), str(tmp_path / "out.csv"), "--student", str(student), place=tmp_path)
    student.chmod(0o755)
    assert_kept(done, case=damage)
    assert (tmp_path / "out.csv").exists() == (done.code == 0)
    if done.code:
        assert "student" in done.errors or "settings.json" in done.errors, done.errors


def test_a_whole_student_predicts(whole, tmp_path):
    student, rows = whole.put("student", tmp_path), whole.put("rows.csv", tmp_path)
    done = ended("predict", str(rows), str(tmp_path / "out.csv"), "--student", str(student), place=tmp_path)
    assert done.code == 0 and "60 rows" in done.errors


# --- (c) full disks -------------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, size: str = "64k") -> Iterator[Path]:
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("NOT TRIED: a file system can't be mounted here; be root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


FULL: dict[str, tuple[str, ...]] = {
    "export": ("export", "DISK/runs.zip"),
    "predict": ("predict", "ROWS", "DISK/out.csv", "--student", "STUDENT"),
    "new": ("new", "DISK/new", "--data", "ROWS", "--text", "text", "--label", "label", "--languages", "en"),
    "status": ("status",),
    "results --json": ("results", "--json"),
    "verify": ("verify",),
    "gc": ("gc", "--yes"),
    "import": ("import", "ARCHIVE"),
    "run": ("run",),
}

PLACES = ("target", "store", "tmp", "home", "read-only")


@pytest.mark.parametrize(
    ("command", "where"),
    sampled([(command, where) for command in FULL for where in PLACES], 24),
)
def test_a_full_disk_is_a_line(command, where, whole, tmp_path):
    if where == "target" and "DISK" not in str(FULL[command]):
        pytest.skip("it writes nothing there")
    with small_disk(tmp_path / "disk", "64k" if where != "read-only" else "4m") as disk:
        store = disk / "store" if where in ("store", "read-only") else whole.put("store", tmp_path)
        if where == "store":
            Store(store).ensure_folder("locks")
        if where == "read-only":
            shutil.copytree(whole.folder / "store", store)
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for folder in ("tmp", "home"):
            (tmp_path / folder).mkdir()
            if where == folder:
                (tmp_path / folder).rmdir()
                (tmp_path / folder).symlink_to(disk)
        if where != "read-only":
            with suppress(OSError):
                (disk / "filler").write_bytes(b"x" * 2**17)
        found = {"DISK": disk if where in ("target", "read-only") else tmp_path}
        found |= {"ROWS": whole.folder / "rows.csv", "STUDENT": whole.folder / "student"}
        found |= {"ARCHIVE": whole.folder / "runs.zip"}
        arguments = []
        for part in FULL[command]:
            for name, path in found.items():
                part = part.replace(name, str(path))
            arguments.append(part)
        url = f"file://{tmp_path / 'remote'}" if where == "home" else str(store)
        variables = {"KDBOOK_STORE": url, "KDBOOK_PROFILE": PROFILE}
        done = assert_kept(ended(*arguments, place=tmp_path, variables=variables), case=(command, where))
        if done.code and (where == "target" or (where == "store" and command == "import")):
            assert "can't be written" in done.errors or "full" in done.errors or "MB are free" in done.errors


# --- (d) archives -----------------------------------------------------------------------------------------------


def _rewritten(source: Path, target: Path, change: Callable[[str, bytes], tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in old.namelist():
            new.writestr(*change(name, old.read(name)))


@many(max_examples=CASES // 3)
@given(data=st.data())
def test_an_archive_with_other_bytes_is_a_line(data, whole, tmp_path_factory):
    with scratch(tmp_path_factory.getbasetemp()) as place:
        content = bytearray((whole.folder / "runs.zip").read_bytes())
        ends = st.one_of(st.integers(0, 80), st.integers(len(content) - 1500, len(content) - 1))
        for _ in range(data.draw(st.integers(1, 3))):
            position = data.draw(st.one_of(ends, st.integers(0, len(content) - 1)))
            content[position] = data.draw(st.integers(0, 255))
        if data.draw(st.booleans()):
            del content[data.draw(st.integers(0, len(content))) :]
        (place / "runs.zip").write_bytes(content)
        variables = {"KDBOOK_STORE": str(place / "store")}
        done = ended("import", str(place / "runs.zip"), place=place, variables=variables)
        assert_kept(done, case=len(content))
        left = [path for path in (place / "store").rglob("*") if ".import" in path.name and path.is_dir()]
        assert not left


RECORDS: dict[str, Callable[[str, bytes], tuple[str, bytes]]] = {
    "names of others": lambda name, text: (name.replace("/", "//"), text),
    "names in colour": lambda name, text: (f"{name}\x1b[31m", text),
    "names of bytes": lambda name, text: (name.replace("run.json", "rün\udcff.json".encode("utf-8", "replace").decode()), text),
    "empty files": lambda name, text: (name, b""),
    "no results": lambda name, text: (name, b"{}" if name.endswith(RECORD) else text),
    "one folder up": lambda name, text: (f"../{name}", text),
    "upper case": lambda name, text: (name.upper(), text),
    "one name": lambda name, text: ("0" * 20 + "/run.json", text),
}  # fmt: skip


@pytest.mark.parametrize("kind", RECORDS)
def test_an_archive_of_other_things_is_a_line(kind, whole, tmp_path):
    _rewritten(whole.folder / "runs.zip", tmp_path / "x.zip", RECORDS[kind])
    variables = {"KDBOOK_STORE": str(tmp_path / "store")}
    done = assert_kept(
        ended("import", str(tmp_path / "x.zip"), place=tmp_path, variables=variables), case=kind
    )
    assert done.code == 1


# --- (e) what only a process of its own shows -----------------------------------------------------------------

LOCALES = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}  # file names are ASCII, too
REAL = {
    "ascii files": (["status", "-p", PROFILE], LOCALES, ""),
    "ascii files, umlauts": (["verify"], {**LOCALES, "KDBOOK_STORE": "Größe"}, ""),
    "closed stdin": (["gc"], {}, "<&-"),
    "closed stdout": (["verify", "--json"], {}, ">&-"),
    "all closed": (["verify", "--json"], {}, "<&- >&- 2>&-"),
    "broken pipe": (["verify", "--json"], {}, "| head -0"),
    "broken pipe of help": (["--help"], {}, "| head -0"),
    "full stdout": (["verify", "--json"], {}, ">/dev/full"),
}


@pytest.mark.parametrize("name", sampled([*REAL], 3))
def test_a_process_of_its_own_ends_in_order(name, tmp_path):
    arguments, variables, redirection = REAL[name]
    store = Store(tmp_path / "store")
    (store.ensure_folder("partial") / ("0" * 20)).mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment |= {"KDBOOK_STORE": str(store.root), "TMPDIR": str(tmp_path), **variables}
    command = f'"$0" -m kdbook.cli "$@" {redirection}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable, *arguments],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=120,
    )
    errors = done.stderr.decode("utf-8", "backslashreplace")
    details = [path.name for path in tmp_path.glob("kdbook-*.log")]
    output = done.stdout.decode("utf-8", "backslashreplace")
    terminal = Terminal(
        stdout="broken" if "|" in redirection else "open", stderr="closed" if "2>" in redirection else "open"
    )
    assert_kept(Ended(done.returncode, output, errors, details), terminal, name)
    assert "Exception ignored" not in errors
