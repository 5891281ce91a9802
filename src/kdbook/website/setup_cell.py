"""The first cell of a downloaded notebook, which installs the package wherever the notebook is opened."""

import json
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

PACKAGE, EXTRA = "kdbook", "notebooks"
WATCHED = ("numpy", "pandas", "torch")  # a kernel may have loaded them when the cell replaces them

INSTALL = """\
# Installs what this notebook needs; packages that are there and recent enough stay. For models of full size,
# choose a GPU first. For exactly the versions of the page, add to the line with pip:
# --constraint {folder}/{constraints}
import importlib.metadata, importlib.util, os, sys

if not {oldest} <= sys.version_info[:2] <= {newest}:
    raise RuntimeError("choose a kernel with Python {supported}; this is " + sys.version.split()[0])
if importlib.util.find_spec("kdbook") is None:
    from packaging.specifiers import SpecifierSet

    torch = importlib.metadata.version("torch") if importlib.util.find_spec("torch") else ""
    kept = "torch==" + torch if torch and torch.split("+")[0] in SpecifierSet("{torch}") else ""
    %pip install --quiet "{package} @ {folder}/{wheel}" $kept
    importlib.invalidate_caches()
    if importlib.util.find_spec("kdbook") is None:
        raise RuntimeError("pip did not install the package; the lines above say why")
    loaded = {{name: sys.modules[name].__version__ for name in {watched} if name in sys.modules}}
    if any(v.split("+")[0] != importlib.metadata.version(n).split("+")[0] for n, v in loaded.items()):
        raise RuntimeError("restart the kernel (on Colab: the session), then run all cells again")

os.environ.setdefault("KDBOOK_PROFILE", {profile})  # what to train; runs are kept in .runs and trained once
"""
QUICK = """
QUICK = False  # True: read the runs of the page ({megabytes:.0f} MB) instead of training them
if QUICK:
    import urllib.request

    os.environ["KDBOOK_ANY_VERSIONS"] = "1"
    urllib.request.urlretrieve("{folder}/{runs}", "{runs}")
    !kdbook import --trust {runs}
"""


def code(folder: str, wheel: str, constraints: str, profile: str, runs: Path | None) -> str:
    """The code of the cell.

    Parameters
    ----------
    folder
        The address of the folder of ``wheel``, ``constraints`` and ``runs`` on the site.
    wheel, constraints
        Names of the package, and of the file with the versions of the page.
    profile
        The profile of the study.
    runs
        The runs of the study, if the site has them.
    """
    supported = _supported_pythons()
    oldest, newest = (tuple(map(int, version.split("."))) for version in (supported[0], supported[-1]))
    install = INSTALL.format(
        folder=folder,
        wheel=wheel,
        constraints=constraints,
        package=f"{PACKAGE}[{EXTRA}]",
        watched=WATCHED,
        torch=_bounds("torch"),
        oldest=oldest,
        newest=newest,
        supported=" or ".join(supported),
        profile=json.dumps(profile),
    )
    if runs is None:
        return install
    return install + QUICK.format(folder=folder, runs=runs.name, megabytes=runs.stat().st_size / 1e6)


def _supported_pythons() -> list[str]:
    """The minor versions of Python that the package supports."""
    required = SpecifierSet(metadata(PACKAGE)["Requires-Python"])
    return [f"3.{minor}" for minor in range(30) if f"3.{minor}" in required]


def _bounds(package: str) -> str:
    """The versions of a package with which this one and all that it needs can be used.

    What needs one version only, as torchvision does of torch, is replaced together with it.
    """
    requirements = [requirement for _, _, needs in _needed() for requirement in needs]
    specifiers = [each for needed in requirements if needed.name == package for each in needed.specifier]
    oldest, newest = (
        [Version(each.version) for each in specifiers if each.operator == operator]
        for operator in (">=", "<")
    )
    return f">={max(oldest)},<{min(newest)}"


def constraints() -> str:
    """Versions of all that the package needs, as they are installed here, without the part that is particular
    to a build (``+cpu``).
    """
    versions = {name: number.split("+")[0] for name, number, _ in _needed()}
    del versions[PACKAGE]
    return "".join(f"{name}=={number}\n" for name, number in sorted(versions.items()))


def installed() -> list[str]:
    """What the cell and the constraints depend on: the packages that are installed here, and what this one
    needs.
    """
    folders = {path.name for folder in sys.path for path in Path(folder).glob("*.dist-info")}
    return [*sorted(folders), str(metadata(PACKAGE))]


@cache
def _needed() -> list[tuple[str, str, list[Requirement]]]:
    """Name and version of the package and of all that it needs, directly or not, as installed here, each with
    its own requirements.
    """
    needed = []
    waiting, seen = [Requirement(f"{PACKAGE}[{EXTRA}]")], set()
    while waiting:
        requirement = waiting.pop()
        key = requirement.name, frozenset(requirement.extras)
        if key in seen:
            continue
        seen.add(key)
        try:
            about = metadata(requirement.name)
        except PackageNotFoundError:  # of another system
            continue
        needs = list(_required(about.get_all("Requires-Dist") or [], requirement.extras))
        needed.append((about["Name"], about["Version"], needs))
        waiting += needs
    return needed


def _required(requirements: Iterable[str], extras: set[str]) -> Iterator[Requirement]:
    """The requirements of a package with some extras that apply to this machine."""
    for text in requirements:
        requirement = Requirement(text)
        marker = requirement.marker
        if not marker or any(marker.evaluate({"extra": name}) for name in ("", *extras)):
            yield requirement
