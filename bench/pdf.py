"""Print the book, which Sphinx wrote as one page into _build/singlehtml, as _build/book.pdf."""

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

BUILD = Path("_build").resolve()
BOOK = BUILD / "singlehtml" / "book" / "index.html"
PDF = BUILD / "book.pdf"
FOR_PAPER = """
for (const solution of document.querySelectorAll("details.sd-dropdown")) solution.open = true;
for (const marked of document.querySelectorAll("span.bibtex-citation")) marked.removeAttribute("id"); // not unique
for (const link of document.querySelectorAll("a.reference.internal")) {
  if (link.hash) link.setAttribute("href", link.hash);
  else link.removeAttribute("href"); // of a figure, to itself
}
"""
PAGE_NUMBER = (
    '<div style="font-size: 8px; width: 100%; text-align: center"><span class="pageNumber"></span></div>'
)


def main() -> None:
    """Write the file; without a browser, one line says how to get one."""
    page_beside_images = BOOK.parents[1] / "print.html"  # Sphinx writes their addresses as if it lay here
    shutil.copyfile(BOOK, page_beside_images)
    try:
        _print(page_beside_images.as_uri())
    except Error as error:
        if "Executable doesn't exist" not in str(error):
            raise
        sys.exit("make pdf needs a browser: install Chromium, or run .venv/bin/playwright install chromium")
    print(f"The book is in {PDF.relative_to(Path.cwd())}.")


def _print(address: str) -> None:
    installed = shutil.which("chromium") or shutil.which("google-chrome")
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed, args=as_root)
        page = browser.new_page(color_scheme="light")
        page.goto(address)
        page.evaluate(FOR_PAPER)
        page.pdf(
            path=PDF,
            format="A4",
            margin={"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
            scale=0.8,
            tagged=True,
            outline=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=PAGE_NUMBER,
        )


if __name__ == "__main__":
    main()
