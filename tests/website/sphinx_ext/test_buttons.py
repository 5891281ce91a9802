"""The download menu of a page."""

from types import SimpleNamespace

import pytest

from kdbook.website.sphinx_ext import buttons


@pytest.mark.parametrize(
    ("repository", "colab"),
    [
        (
            "https://github.com/owner/name",
            "https://colab.research.google.com/github/owner/name/blob/notebooks/",
        ),
        ("https://example.org/owner/name", None),
        ("", None),
    ],
)
def test_colab_opens_chapters_of_a_repository_on_github(monkeypatch, repository, colab):
    monkeypatch.setenv("KDBOOK_REPOSITORY", repository)
    monkeypatch.setattr(buttons, "built_with", lambda env: {"book/teacher"})
    group = {"label": "download-buttons", "buttons": []}
    context = {"header_buttons": [group], "pathto": lambda path, resource: path}
    buttons.add(SimpleNamespace(env=None), "book/teacher", "", context, None)
    found = {button["text"]: button["url"] for button in group["buttons"]}
    assert found.get("Open in Colab") == (colab and f"{colab}teacher.ipynb")
    assert found[".ipynb"] == "notebooks/teacher.ipynb"
