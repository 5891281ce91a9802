"""Ways to look at the built site."""

import pytest


@pytest.fixture
def page_without_scripts(browser):
    """A page of a browser that runs no script."""
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()
