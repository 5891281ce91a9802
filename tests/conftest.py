"""Shared fixtures: a store with every run of the smoke profile, really trained, a copy of the project, its site, a browser."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # set before numpy is imported

import functools
import http.server
import shutil
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from changes import copy_project
from filelock import FileLock
from helpers import CHAPTERS, build, executed, kdbook

from kdbook.execution.schedule import train_in_process
from kdbook.settings import profile
from kdbook.store.local import Store
from kdbook.study.study import Study

ROOT = Path(__file__).parents[1]
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import modules that are slow as a whole, and import AutoMM or torch, if slow tests are left out."""
    if "not training" in config.option.markexpr and collection_path.suffix == ".py":
        return "pytestmark = pytest.mark.training" in collection_path.read_text("utf-8") or None
    return None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give each worker whole files, and one of them all tests of the built site, which is then built once."""
    uses_site = "site" in getattr(item, "fixturenames", ())
    item.add_marker(pytest.mark.xdist_group("site" if uses_site else str(item.path.relative_to(ROOT))))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what trains models and what builds sites, and order them: fast tests first, sites last."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & {"smoke_store", "smoke"}:
            item.add_marker("training")
        if "site" in fixtures or item.path.is_relative_to(ROOT / "tests" / "site"):
            item.add_marker("site")
    items.sort(
        key=lambda item: (bool(item.get_closest_marker("site")), bool(item.get_closest_marker("training")))
    )


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the settings of the person who runs it."""
    for name in ("KDBOOK_PROFILE", "KDBOOK_DATA", "KDBOOK_STORE", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def smoke_store(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A store in which ``kdbook run`` has trained every run of the smoke profile; each worker has a copy."""
    root = tmp_path_factory.mktemp("store") / "runs"
    shared = tmp_path_factory.getbasetemp()
    trained = (shared if worker_id == "master" else shared.parent) / "trained"
    with FileLock(f"{trained}.lock"):
        if not trained.is_dir():
            kdbook("run", "--profile", "smoke", store=trained.with_suffix(".partial"))
            trained.with_suffix(".partial").rename(trained)
    return Path(shutil.copytree(trained, root))


@pytest.fixture(scope="session")
def smoke(smoke_store: Path) -> Study:
    return Study(profile.load("smoke"), Store(smoke_store), train_in_process)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files of the project."""
    return copy_project(ROOT, tmp_path_factory.mktemp("project") / "book")


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="session")
def address(project: Path) -> Iterator[str]:
    """Where the site of the copy is served; every build of the session knows it."""
    served = functools.partial(Silent, directory=str(project / "_build" / "html"))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), served) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        patch.setenv("KDBOOK_SITE", f"http://127.0.0.1:{server.server_port}")
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def site(project: Path, smoke_store: Path, address: str) -> Path:
    """The built site of the copy."""
    done = build(project, smoke_store)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert executed(done) == {
        name for name in CHAPTERS if "{code-cell}" in (project / "book" / f"{name}.md").read_text("utf-8")
    }
    return project / "_build" / "html"


@pytest.fixture(scope="session")
def browser():
    if not BROWSER:
        if os.environ.get("CI"):
            pytest.fail("no Chromium found; CI needs one")
        warnings.warn("NO BROWSER TEST WAS RUN: install Debian's package chromium", stacklevel=1)
        pytest.skip("no Chromium found; install Debian's package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=BROWSER, args=QUIET)
        yield running
        running.close()
