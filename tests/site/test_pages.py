"""The rendered pages in a real browser."""

import gzip
import math
import re
from collections.abc import Iterator
from importlib.metadata import version
from urllib.parse import unquote, urldefrag, urljoin, urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from helpers import CHAPTERS

from kdbook.pages import figures

PAGES = (*CHAPTERS, "glossary", "references", "de-index", "de-quickstart")
RAW = re.compile(r"\{[\w:-]+\}`|^(:{3,}|`{3,})\{", re.MULTILINE)
MOST_BYTES = 350_000  # compressed, as hosts of sites send them
SETTLED = 300  # milliseconds in which the theme puts on its colours


@pytest.fixture
def page(browser, address, request) -> Iterator:
    """A page of the given width and colour scheme, which reaches nothing but the site."""
    width, scheme = getattr(request, "param", (1440, "light"))
    opened = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    opened.route(
        "**/*", lambda route: route.continue_() if route.request.url.startswith(address) else route.abort()
    )
    yield opened
    opened.close()


LOOKS = pytest.mark.parametrize(
    "page", [(width, scheme) for width in (390, 1440) for scheme in ("light", "dark")], indirect=True
)


@LOOKS
def test_pages_fit_and_say_nothing_on_the_console(site, page, address):
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    for name in PAGES:
        page.goto(f"{address}/book/{name}.html", wait_until="load")
        too_wide = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert too_wide <= 0, f"{name} is {too_wide} pixels too wide"
        assert page.locator("article h1").count() == 1
        assert not RAW.search(page.locator("article").inner_text())
        broken = page.evaluate(
            "[...document.images].filter(image => image.complete && !image.naturalWidth).map(image => image.src)"
        )
        assert not broken
    assert not errors


BOXES_WITH_THE_WRONG_EDGE = """async () => {
    const wrong = [];
    const drawn = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    for (const box of document.querySelectorAll(".cell_output .text_html, .pst-scrollable-table-container, .math-block")) {
        const hidden = box.scrollWidth - box.clientWidth;
        for (const position of [0, hidden]) {
            box.scrollLeft = position;
            await drawn();
            const fades = getComputedStyle(box).maskImage !== "none";
            if (fades !== (position < hidden)) wrong.push([box.innerText.slice(0, 80), position, hidden]);
        }
    }
    return wrong;
}"""


@pytest.mark.parametrize("page", [(390, "light"), (1440, "light")], indirect=True)
def test_tables_and_formulas_fade_out_where_there_is_more_and_only_there(site, page, address):
    for name in ("evaluation", "choosing", "deployment", "distillation"):
        page.goto(f"{address}/book/{name}.html", wait_until="load")
        assert page.evaluate(BOXES_WITH_THE_WRONG_EDGE) == []


@pytest.mark.parametrize("page", [(1440, "light")], indirect=True)
def test_every_header_cell_states_whether_it_heads_a_column_or_a_row(site, page, address):
    for name in PAGES:
        page.goto(f"{address}/book/{name}.html", wait_until="load")
        assert page.locator("th:not([scope=col]):not([scope=row])").count() == 0, name


@pytest.mark.parametrize("page", [(390, "light"), (1440, "dark")], indirect=True)
def test_everybody_can_read_the_pages(site, page, address):
    """axe-core finds nothing serious or critical."""
    for name in PAGES:
        page.goto(f"{address}/book/{name}.html", wait_until="load")
        page.wait_for_timeout(SETTLED)
        violations = Axe().run(page).response["violations"]
        grave = [
            (rule["id"], rule["nodes"][0]["html"][:200])
            for rule in violations
            if rule["impact"] in ("serious", "critical")
        ]
        assert not grave, (name, grave)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_light(site, page, address, name):
    responses: list = []
    page.on("response", lambda response: responses.append(response))
    page.goto(f"{address}/book/{name}.html", wait_until="networkidle")
    loaded = sum(len(gzip.compress(response.body())) for response in responses)
    assert 10_000 < loaded < MOST_BYTES


def test_no_link_within_the_site_leads_nowhere(site, address):
    for name in PAGES:
        text = (site / "book" / f"{name}.html").read_text("utf-8")
        here = f"{address}/book/{name}.html"
        for link in set(re.findall(r'(?:href|src)="([^"]+)"', text)):
            target, anchor = urldefrag(urljoin(here, link))
            if not target.startswith(address):
                continue
            file = site / unquote(urlparse(target).path).lstrip("/")
            assert file.exists(), (name, link)
            if anchor and file.suffix == ".html":
                assert f'id="{anchor}"' in file.read_text("utf-8"), (name, link)


@pytest.mark.parametrize("term", ["dark knowledge", "confusion matrix", "vocabulary trimming"])
def test_the_search_finds_the_usual_terms(site, page, address, term):
    page.goto(f"{address}/search.html?q={term}", wait_until="load")
    page.locator("#search-results li").first.wait_for()


def test_the_address_of_the_site_leads_to_the_first_page(site, page, address):
    page.goto(f"{address}/", wait_until="load")
    page.wait_for_url(f"{address}/book/index.html")
    assert '<html lang="en">' in (site / "index.html").read_text("utf-8")


def test_the_first_screen_has_a_result_code_and_a_figure(site, browser, address):
    for width, height in ((390, 844), (1440, 900)):
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(f"{address}/book/index.html", wait_until="load")
        for part in (
            "article p:has-text('With a teacher and rows without labels')",
            "article .highlight",
            "article figure img",
        ):
            box = page.locator(part).first.bounding_box()
            assert box and box["y"] + box["height"] <= height, (width, part)
        page.close()


def test_text_in_figures_is_legible_on_a_phone(site, browser, address):
    """Figures are drawn seven inches wide, with text of one size."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    for name in CHAPTERS:
        page.goto(f"{address}/book/{name}.html", wait_until="load")
        widths = page.evaluate(
            "[...document.querySelectorAll('article .cell_output img')].map(image => image.clientWidth)"
        )
        for width in filter(None, widths):  # those that a script replaces have none
            assert figures.STYLE["font.size"] * width / (7 * 72) >= 9, name
    page.close()


def test_the_site_can_be_found_and_shared(site, address):
    assert f"<loc>{address}/book/teacher.html</loc>" in (site / "sitemap.xml").read_text("utf-8")
    page = (site / "book" / "teacher.html").read_text("utf-8")
    card = re.search(r'property="og:image" content="([^"]+)"', page)
    assert card and (site / urlparse(card[1]).path.lstrip("/")).is_file()
    assert re.search(r'name="description" content="[^"]{40,}"', page)
    assert f"Version {version('kdbook')}. Code and text are licensed under Apache-2.0" in page


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def test_the_sliders_change_targets_and_gradients(site, page, address):
    page.goto(f"{address}/book/distillation.html", wait_until="load")
    explorer = page.locator(".loss-explorer")

    def shares() -> list[float]:
        return [float(text) for text in explorer.locator(".loss-explorer-bar output").all_inner_texts()]

    before, curve = shares(), explorer.locator("path.loss-explorer-soft").get_attribute("d")
    for name, value in {"teacher": 3, "temperature": 5, "hard": 0, "soft": 2}.items():
        explorer.locator(f"input[name={name}]").fill(str(value))
    assert shares() != before and explorer.locator("path.loss-explorer-soft").get_attribute("d") != curve
    assert shares() == pytest.approx(
        [0, sigmoid(3), sigmoid(3 / 5), sigmoid(3)], abs=0.01
    )  # the soft term alone: as the teacher
    explorer.locator("input[name=hard]").fill("5")
    assert shares()[3] < sigmoid(3) - 0.1  # the label says 0


def test_without_scripts_the_figure_stays(site, page_without_scripts, address):
    page = page_without_scripts
    page.goto(f"{address}/book/distillation.html", wait_until="load")
    assert page.locator(".tag_loss-explorer .cell_output img").count() == 1
    assert page.locator(".loss-explorer").count() == 0


def test_a_page_is_printed_without_what_surrounds_it(site, page, address):
    page.goto(f"{address}/book/teacher.html", wait_until="load")
    page.emulate_media(media="print")
    for part in (".bd-sidebar-primary", ".bd-header-article", ".prev-next-area"):
        assert not page.locator(part).first.is_visible()
    assert len(page.pdf()) > 10_000


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_progress_or_log_of_a_training_stands_on_a_page(site, name):
    text = (site / "book" / f"{name}.html").read_text("utf-8")
    assert "IPython.core" not in text  # the value of a cell that has nothing to show
    assert not re.search(r"\d+%\|[█▏ ]|it/s\b|Seed set to|class=\"output stderr", text)


def test_pages_are_marked_with_their_language(site):
    languages = {
        page.stem: re.search(r'<html[^>]* lang="(\w+)"', page.read_text("utf-8"))[1]
        for page in (site / "book").glob("*.html")
    }
    assert {name for name, language in languages.items() if language == "de"} == {"de-index", "de-quickstart"}
    assert set(languages.values()) == {"de", "en"}
