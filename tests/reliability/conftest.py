"""One table of all that was tried, survived and lost, each number from this run."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from changes import with_few_chapters


@dataclass
class Tally:
    """What the tests of this session did to the program, by fault or input."""

    rows: dict[str, list[int]] = field(default_factory=dict)
    figures: list[str] = field(default_factory=list)

    @contextmanager
    def trial(self, fault: str) -> Iterator[None]:
        """Count a case as tried, and as survived once everything in the context has been as promised."""
        row = self._row(fault)
        row[0] += 1
        yield
        row[1] += 1

    def lost(self, fault: str, number: int) -> None:
        """Add what was lost of finished work."""
        self._row(fault)[2] += number

    def measured(self, figure: str) -> None:
        """Add a line about time and memory."""
        self.figures.append(figure)

    def _row(self, fault: str) -> list[int]:
        return self.rows.setdefault(fault, [0, 0, 0])


TALLY = Tally()
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files of the project, with a few chapters that are executed: faults don't depend on their number."""
    return with_few_chapters(ROOT, tmp_path_factory.mktemp("project") / "book")


@pytest.fixture
def tally() -> Tally:
    return TALLY


@pytest.fixture
def built(site: Path, project: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Makes copies of the built book; they are read anew, but their chapters need not be executed again."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(project, tmp_path / name / "project"))

    return copy


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker sends what it counted to the process that writes the table."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tally"] = [TALLY.rows, TALLY.figures]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error) -> None:
    rows, figures = getattr(node, "workeroutput", {}).get("tally", ({}, []))
    for fault, counted in rows.items():
        TALLY.rows[fault] = [sum(pair) for pair in zip(TALLY._row(fault), counted, strict=True)]
    TALLY.figures.extend(figures)


def pytest_terminal_summary(terminalreporter) -> None:
    write = terminalreporter.write_line
    width = max(map(len, TALLY.rows), default=0)
    write("")
    write(f"{'fault or input':{width}}   tried  survived  lost")
    for fault, (tried, survived, lost) in TALLY.rows.items():
        write(f"{fault:{width}}  {tried:6,}  {survived:8,}  {lost:4}")
    for figure in TALLY.figures:
        write(figure)
