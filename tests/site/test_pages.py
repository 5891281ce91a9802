"""The rendered pages in a real browser."""

import functools
import http.server
import os
import shutil
import threading
import warnings
from collections.abc import Iterator

import pytest
from helpers import CHAPTERS

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/book"
    server.shutdown()


@pytest.fixture(scope="module")
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_pages_fit_and_raise_no_error(browser, address, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route("**/*", lambda route: route.continue_() if "127.0.0.1" in route.request.url else route.abort())
    for chapter in CHAPTERS:
        page.goto(f"{address}/{chapter}.html", wait_until="load")
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{chapter} is {too_wide} pixels too wide at {width}"
        assert page.locator("article h1").count() == 1
        broken = page.evaluate("[...document.images].filter(image => image.complete && !image.naturalWidth).map(image => image.src)")
        assert not [source for source in broken if address.split("/book")[0] in source]
    assert not errors
    page.close()
