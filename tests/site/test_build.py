"""The book, built as a reader builds it: ``jupyter-book build .`` with the smoke profile."""

import re

from helpers import CHAPTERS, build, executed

from kdbook.data import corpus


def test_every_chapter_shows_outputs(site):
    for chapter in CHAPTERS:
        page = (site / "book" / f"{chapter}.html").read_text("utf-8")
        assert "cell_output" in page
        assert "Profile <code" in page and ">smoke<" in page
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


def test_a_changed_plot_executes_only_the_chapters_that_use_it(site, project, smoke_store):
    plots = project / "src" / "kdbook" / "plots.py"
    text = plots.read_text("utf-8")
    try:
        plots.write_text(text.replace('"validation accuracy"', '"accuracy on validation rows"'), "utf-8")
        done = build(project, smoke_store)
        assert executed(done) == {"teacher", "baseline", "distillation"}
    finally:
        plots.write_text(text, "utf-8")
    assert executed(build(project, smoke_store)) == set()


def test_prose_and_comments_execute_nothing(site, project, smoke_store):
    chapter, train = project / "book" / "teacher.md", project / "src" / "kdbook" / "train.py"
    texts = {path: path.read_text("utf-8") for path in (chapter, train)}
    try:
        chapter.write_text(texts[chapter].replace("The epoch with the best", "The one epoch with the best"), "utf-8")
        train.write_text(texts[train] + "\n# a comment\n", "utf-8")
        done = build(project, smoke_store)
        assert done.returncode == 0 and executed(done) == set()
        assert "The one epoch" in (site / "book" / "teacher.html").read_text("utf-8")
    finally:
        for path, text in texts.items():
            path.write_text(text, "utf-8")


def test_a_cell_that_raises_fails_the_build(site, project, smoke_store):
    chapter = project / "book" / "baseline.md"
    text = chapter.read_text("utf-8")
    try:
        chapter.write_text(text + '\n```{code-cell} ipython3\nraise RuntimeError("on purpose")\n```\n', "utf-8")
        done = build(project, smoke_store)
        assert done.returncode != 0
        assert "on purpose" in done.stdout + done.stderr
    finally:
        chapter.write_text(text, "utf-8")
        build(project, smoke_store)


def test_a_build_on_a_release_directory_trains_what_is_missing(site, project, tmp_path):
    """From an empty store, on rows of one's own in the layout of PAWS-X, named by a path relative to the project."""
    rows = corpus.generate({"train": 40, "dev_2k": 10, "test_2k": 20}, seed=3)
    for language, train in (("en", "train"), ("de", "translated_train")):
        folder = project / "x-final" / language
        folder.mkdir(parents=True)
        for split, frame in rows.items():
            mine = frame[frame["language"] == language][["id", "sentence1", "sentence2", "label"]].copy()
            if language == "de":
                mine.iloc[0, 1] = "NS"
            mine.to_csv(folder / f"{train if split == 'train' else split}.tsv", sep="\t", index=False)
    done = build(project, tmp_path / "store", KDBOOK_DATA="x-final")
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert done.stderr.count("finished in") == 8
    assert executed(done) == set(CHAPTERS)
    page = (site / "book" / "data.html").read_text("utf-8")
    assert "PAWS-X or data in its layout" in page
    again = build(project, tmp_path / "store", KDBOOK_DATA="x-final")
    assert again.returncode == 0 and executed(again) == set() and "finished in" not in again.stderr
