"""The first cell of a downloaded notebook, which installs the package wherever the notebook is opened."""

import json
import sys
from importlib.metadata import metadata, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

PACKAGE, EXTRA = "kdbook", "notebooks"
EXTRA_WITH_TORCH = "export"  # part of the other
LIMITING_TORCH = (PACKAGE, "autogluon.multimodal")  # other packages bring the version that fits theirs
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
        torch=_torch(),
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


def _torch() -> SpecifierSet:
    """The versions of PyTorch that the package and AutoMM can be used with on this system."""
    needed = [Requirement(text) for package in LIMITING_TORCH for text in requires(package) or ()]
    specifiers = SpecifierSet()
    for each in needed:
        if each.name == "torch" and (not each.marker or each.marker.evaluate({"extra": EXTRA_WITH_TORCH})):
            specifiers &= each.specifier
    return specifiers


def constraints() -> str:
    """Versions of all packages that are installed here, without the part that is particular to a build
    (``+cpu``); pip heeds those of the packages that it installs.
    """
    folders = (folder for place in sys.path for folder in Path(place).glob("*.dist-info"))
    installed = dict(folder.stem.split("+")[0].rsplit("-", 1) for folder in folders)
    return "".join(f"{name}=={version}\n" for name, version in sorted(installed.items()) if name != PACKAGE)
