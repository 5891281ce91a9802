"""The rendered pages in a real browser."""

import pytest
from helpers import CHAPTERS


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_pages_fit_and_raise_no_error(browser, site, address, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route("**/*", lambda route: route.continue_() if "127.0.0.1" in route.request.url else route.abort())
    for chapter in CHAPTERS:
        page.goto(f"{address}/book/{chapter}.html", wait_until="load")
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{chapter} is {too_wide} pixels too wide at {width}"
        assert page.locator("article h1").count() == 1
        broken = page.evaluate("[...document.images].filter(image => image.complete && !image.naturalWidth).map(image => image.src)")
        assert not [source for source in broken if address in source]
    assert not errors
    page.close()
