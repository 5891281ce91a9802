"""A browser to look at the built site."""

import os
import shutil
import warnings

import pytest

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


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


@pytest.fixture
def page_without_scripts(browser):
    """A page of a browser that runs no script."""
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()
