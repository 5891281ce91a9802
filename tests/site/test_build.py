"""The book, built as a reader builds it: ``jupyter-book build .`` with the smoke profile."""

import re

from changes import write_rows
from helpers import CHAPTERS, build, executed


def test_every_chapter_shows_outputs(site):
    for chapter in CHAPTERS:
        page = (site / "book" / f"{chapter}.html").read_text("utf-8")
        assert "cell_output" in page
        assert "<dt>profile</dt><dd>smoke</dd>" in page
        assert not re.search(r"\{(glue|doc|cite|code-cell)[:}]", page)


def test_every_figure_has_a_text_for_those_who_cannot_see_it(site):
    for chapter in CHAPTERS:
        page = (site / "book" / f"{chapter}.html").read_text("utf-8")
        for image in re.findall(r'<img[^>]+src="[^"]*_images[^"]*"[^>]*>', page):
            alt = re.search(r'alt="([^"]*)"', image)
            assert alt and len(alt[1]) > 20 and "_images" not in alt[1], image


def test_a_second_build_executes_nothing_and_imports_no_automm(site, project, smoke_store):
    done = build(project, smoke_store)
    assert done.returncode == 0
    assert executed(done) == set()
    assert not re.search(r"\| +(autogluon|torch)\b", done.stderr)


def test_a_cell_that_raises_fails_the_build_and_leaves_the_site(site, project, smoke_store):
    chapter = project / "book" / "baseline.md"
    text = chapter.read_text("utf-8")
    try:
        chapter.write_text(
            text + '\n```{code-cell} ipython3\nraise RuntimeError("on purpose")\n```\n', "utf-8"
        )
        done = build(project, smoke_store)
        assert done.returncode != 0
        assert "on purpose" in done.stdout + done.stderr
        assert "on purpose" not in (site / "book" / "baseline.html").read_text("utf-8")
        assert (site / "notebooks" / "baseline.ipynb").is_file()
    finally:
        chapter.write_text(text, "utf-8")
        build(project, smoke_store)


def test_what_the_user_can_put_right_is_one_line(site, project, smoke_store, tmp_path):
    write_rows(tmp_path)
    bad = tmp_path / "de" / "dev_2k.tsv"
    bad.write_text(bad.read_text("utf-8").replace("\t1\n", "\tyes\n", 1), "utf-8")
    done = build(project, smoke_store, KDBOOK_DATA=str(tmp_path))
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert re.search(rf"{bad}, line \d+: the label is 'yes'; write 0 or 1", only_line(done))
    assert (site / "index.html").is_file()


def test_a_missing_file_of_kept_results_is_one_line(site, project, smoke_store, tmp_path):
    kept = project / "book" / "kept" / "massive.parquet"
    away = kept.rename(tmp_path / kept.name)
    try:
        done = build(project, smoke_store)
    finally:
        away.rename(kept)
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert "there is no kept/massive.parquet here" in only_line(done)


def only_line(done) -> str:
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("kdbook: ")]
    return line
