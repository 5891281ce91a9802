"""What a page knows about where it is published."""

from types import SimpleNamespace

import pytest

from kdbook.website.sphinx_ext import addresses


def footer(monkeypatch, repository: str | None) -> str:
    monkeypatch.delenv("KDBOOK_REPOSITORY", raising=False)
    if repository:
        monkeypatch.setenv("KDBOOK_REPOSITORY", repository)
    config = SimpleNamespace(html_theme_options={})
    addresses.configure(None, config)
    return config.html_theme_options["extra_footer"]


@pytest.mark.parametrize("end", ["", "/"])
def test_a_published_site_links_to_the_files_of_the_latest_release(monkeypatch, end):
    text = footer(monkeypatch, f"https://github.com/example/book{end}")
    for name in ("book.pdf", "runs.zip"):
        assert f'"https://github.com/example/book/releases/latest/download/{name}"' in text


@pytest.mark.parametrize("repository", [None, "https://git.example.org/book"])
def test_a_site_without_a_repository_on_github_has_no_such_links(monkeypatch, repository):
    assert "href" not in footer(monkeypatch, repository)
