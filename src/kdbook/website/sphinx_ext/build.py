"""The study that one build of the book shows."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from sphinx.application import Sphinx

from kdbook.errors import KdbookError
from kdbook.execution.schedule import open_study
from kdbook.study.study import Study
from kdbook.website import chapters
from kdbook.website.chapters import Dependencies


class Build:
    """The study that a build shows, and the dependencies of its chapters, each computed once."""

    def __init__(self) -> None:
        self._dependencies: dict[str, Dependencies | None] = {}

    @cached_property
    def study(self) -> Study:
        """The study of the profile that the environment names."""
        return open_study()

    def dependencies(self, text: str) -> Dependencies | None:
        """What the outputs of a chapter with this text depend on; None for a page without cells."""
        if text not in self._dependencies:
            with ended_by_a_line():
                self._dependencies[text] = chapters.dependencies(text, self.study)
        return self._dependencies[text]

    def forget(self) -> None:
        """Look everything up again, since runs were trained."""
        self.__dict__.pop("study", None)
        self._dependencies.clear()


def build_of(app: Sphinx) -> Build:
    """The build that an application makes."""
    if not hasattr(app, "kdbook_build"):
        app.kdbook_build = Build()  # type: ignore[attr-defined]
    build: Build = app.kdbook_build  # type: ignore[attr-defined]
    return build


@contextmanager
def ended_by_a_line() -> Iterator[None]:
    """End the build with one line for what the user can fix; jupyter-book would print a traceback."""
    try:
        yield
    except KdbookError as error:
        raise SystemExit(f"kdbook: {error}") from error
