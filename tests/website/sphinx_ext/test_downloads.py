"""Downloads are made by a build that reads a page or has another package, and by no other."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from kdbook.website.sphinx_ext import downloads


@pytest.fixture
def app(tmp_path, monkeypatch) -> SimpleNamespace:
    """What is needed of a Sphinx application at the end of a build; it counts how often notebooks are made."""
    (tmp_path / "site").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "module.py").write_text("one = 1")
    config = SimpleNamespace(html_title="Book", html_baseurl="https://example.org/", bibtex_bibfiles=[])
    app = SimpleNamespace(
        srcdir=tmp_path, outdir=tmp_path / "site", doctreedir=tmp_path, config=config, env=None, made=0
    )
    app.builder = SimpleNamespace(name="html")

    def write_notebooks(app, folder) -> None:
        app.made += 1
        (folder / "teacher.ipynb").touch()

    monkeypatch.setattr(downloads, "built_with", lambda env: {"book/teacher": {}})
    (tmp_path / downloads.WHEEL).touch()
    monkeypatch.setattr(downloads, "_wheel", lambda app, package: tmp_path / downloads.WHEEL)
    monkeypatch.setattr(downloads, "_write_notebooks", write_notebooks)
    downloads.write(app, None)
    assert app.made == 1
    return app


def test_a_build_without_a_change_makes_none(app):
    downloads.forget(app, None, [])
    downloads.write(app, None)
    assert app.made == 1


def test_a_build_that_reads_a_page_makes_all(app):
    downloads.forget(app, None, ["book/glossary"])
    downloads.write(app, None)
    assert app.made == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda app: (app.srcdir / "src" / "module.py").write_text("one = 2"),
        lambda app: (app.srcdir / "src" / "other.toml").touch(),
        lambda app: vars(app.config).update(html_baseurl="https://example.com/"),
    ],
    ids=["a module", "a new file", "the address"],
)
def test_another_package_or_site_makes_all(app, change):
    change(app)
    downloads.write(app, None)
    assert app.made == 2


def test_bytecode_is_no_change(app):
    (app.srcdir / "src" / "__pycache__").mkdir()
    (app.srcdir / "src" / "__pycache__" / "module.pyc").touch()
    downloads.write(app, None)
    assert app.made == 1


def test_what_is_no_longer_made_goes(app):
    (app.outdir / downloads.FOLDER / "gone.ipynb").touch()
    downloads.forget(app, None, ["book/teacher"])
    downloads.write(app, None)
    names = {path.name for path in (app.outdir / downloads.FOLDER).iterdir()}
    assert names == {"teacher.ipynb", downloads.WHEEL, downloads.CONSTRAINTS}


def test_downloads_of_a_build_that_broke_off_are_made_again(app, monkeypatch):
    """Even where its change was taken back."""
    module = app.srcdir / "src" / "module.py"
    module.write_text("one = 2")
    with monkeypatch.context() as patch:
        patch.setattr(downloads, "_write_notebooks", lambda app, folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            downloads.write(app, None)
    module.write_text("one = 1")
    downloads.write(app, None)
    assert app.made == 2


def test_a_failed_build_leaves_them(app):
    (app.srcdir / "src" / "module.py").write_text("one = 2")
    downloads.write(app, ValueError())
    assert app.made == 1


def test_the_wheel_of_the_same_package_is_kept(tmp_path, monkeypatch):
    commands = []

    def build(command: list[str], **settings: object) -> SimpleNamespace:
        commands.append(command)
        folder = Path(command[-1])
        folder.mkdir(parents=True)
        (folder / downloads.WHEEL).touch()
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(downloads.subprocess, "run", build)
    app = SimpleNamespace(doctreedir=tmp_path, srcdir=tmp_path)
    for package in ("one", "one", "two"):
        assert downloads._wheel(app, {"src/module.py": package}).is_file()
    assert len(commands) == 2 and len(list((tmp_path / "wheel").iterdir())) == 1
