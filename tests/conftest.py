"""Shared fixtures: a store with every run of the smoke profile, really trained, a copy of the project, its site, a browser."""

import functools
import http.server
import os
import shutil
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from changes import copy_project
from helpers import CHAPTERS, build, executed, kdbook

from kdbook import profile, study
from kdbook.store import Store

ROOT = Path(__file__).parents[1]
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast ones first; those that build sites come last."""
    items.sort(key=lambda item: item.path.is_relative_to(ROOT / "tests" / "site"))


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the settings of the person who runs it."""
    for name in ("KDBOOK_PROFILE", "KDBOOK_DATA", "KDBOOK_STORE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def smoke_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which ``kdbook run`` has trained every run of the smoke profile."""
    root = tmp_path_factory.mktemp("store")
    kdbook("run", "--profile", "smoke", store=root)
    return root


@pytest.fixture
def smoke(smoke_store: Path) -> study.Study:
    return study.Study(profile.load("smoke"), Store(smoke_store))


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
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), served) as server, pytest.MonkeyPatch.context() as patch:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        patch.setenv("KDBOOK_SITE", f"http://127.0.0.1:{server.server_port}")
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def site(project: Path, smoke_store: Path, address: str) -> Path:
    """The built site of the copy."""
    done = build(project, smoke_store)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert executed(done) == {name for name in CHAPTERS if "{code-cell}" in (project / "book" / f"{name}.md").read_text("utf-8")}
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
