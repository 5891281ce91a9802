"""The first cell of a notebook: it installs what is missing, says when that is not enough, and leaves the rest."""

import importlib.metadata
import importlib.util
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from kdbook.website import setup_cell


class Shell:
    """Keeps the commands that a cell gives to IPython."""

    def __init__(self) -> None:
        self.commands: list[str] = []

    def run_line_magic(self, name: str, line: str) -> None:
        self.commands.append(f"%{name} {line}")

    def system(self, command: str) -> None:
        self.commands.append(f"!{command}")


def execute(
    monkeypatch,
    runs: Path | None = None,
    quick: bool = False,
    torch: str | None = None,
    namespace: dict | None = None,
    works: bool = True,
) -> list[str]:
    """Execute the cell where kdbook is not installed, and torch in some version or not at all; pip works or
    fails. Returns what the cell gives to IPython to do.
    """
    shell = Shell()
    seen = {"torch": lambda: torch, "kdbook": lambda: shell.commands and works}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: seen[name]() or None)
    known = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: torch if name == "torch" and torch else known(name)
    )
    monkeypatch.setenv("KDBOOK_PROFILE", "smoke")
    monkeypatch.setenv("KDBOOK_ANY_VERSIONS", "")
    code = setup_cell.code("https://example.org/notebooks", "kdbook.whl", "constraints.txt", "smoke", runs)
    code = code.replace("QUICK = False", f"QUICK = {quick}")
    namespace = {} if namespace is None else namespace
    namespace["get_ipython"] = lambda: shell
    exec(TransformerManager().transform_cell(code), namespace)  # it is ours
    return shell.commands


def test_it_installs_the_wheel_with_the_bounds_of_the_package_alone(monkeypatch):
    (command,) = execute(monkeypatch)
    assert (
        command.strip()
        == '%pip install --quiet "kdbook[notebooks] @ https://example.org/notebooks/kdbook.whl" $kept'
    )


@pytest.mark.parametrize(
    ("installed", "kept"),
    [
        ("2.10.0+cu128", "torch==2.10.0+cu128"),
        ("2.12.1", "torch==2.12.1"),
        ("2.9.1", ""),  # too old for AutoGluon
        ("99.0.0", ""),
        (None, ""),
    ],
)
def test_a_torch_that_satisfies_the_bounds_stays(monkeypatch, installed, kept):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    namespace: dict[str, object] = {}
    execute(monkeypatch, torch=installed, namespace=namespace)
    assert namespace["kept"] == kept


def test_it_stops_where_pip_fails(monkeypatch):
    with pytest.raises(RuntimeError, match="pip did not install"):
        execute(monkeypatch, works=False)


@pytest.mark.parametrize("change", ["", "+cu126"])
def test_what_is_loaded_in_the_version_that_is_installed_needs_no_restart(monkeypatch, change):
    loaded = ModuleType("numpy")
    loaded.__version__ = version("numpy") + change
    monkeypatch.setitem(sys.modules, "numpy", loaded)
    execute(monkeypatch)


def test_what_was_replaced_while_loaded_needs_a_restart(monkeypatch):
    loaded = ModuleType("numpy")
    loaded.__version__ = "1.0"
    monkeypatch.setitem(sys.modules, "numpy", loaded)
    with pytest.raises(RuntimeError, match="restart the kernel"):
        execute(monkeypatch)


def test_a_python_that_the_package_does_not_support(monkeypatch):
    class Old(tuple):
        __slots__ = ()

    monkeypatch.setattr(sys, "version_info", Old((3, 10, 12)))
    with pytest.raises(RuntimeError, match=r"choose a kernel with Python 3\.11 or 3\.12 or 3\.13"):
        execute(monkeypatch)


def test_the_runs_of_the_page_are_read_only_on_request(monkeypatch, tmp_path):
    runs = tmp_path / "runs.zip"
    runs.write_bytes(b"0" * 2_000_000)
    addresses: list[str] = []
    monkeypatch.setattr("urllib.request.urlretrieve", lambda address, name: addresses.append(address))
    assert len(execute(monkeypatch, runs)) == 1 and not addresses
    assert execute(monkeypatch, runs, quick=True)[1:] == ["!kdbook import --trust runs.zip"]
    assert addresses == ["https://example.org/notebooks/runs.zip"]


def test_constraints_are_what_is_installed_without_the_package():
    lines = dict(line.split("==") for line in setup_cell.constraints().splitlines())
    assert {"torch", "autogluon_multimodal", "pandas", "onnxruntime"} <= set(lines)
    assert "kdbook" not in lines and not any("+" in number for number in lines.values())
    assert lines["pandas"] == version("pandas")
