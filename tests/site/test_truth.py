"""The sentences on the pages follow the results: the book built on runs in which distillation hurts, and on runs that do not tell.

And no chapter holds a number typed by hand where a result belongs.
"""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from changes import copy_project, without_cells
from helpers import CHAPTERS, build
from runs import with_probabilities

from kdbook.store.local import Store
from kdbook.store.run import MANIFEST, PREDICTIONS, hash_of

ROOT = Path(__file__).parents[2]


def doctored(store: Path, wrong: dict[str, slice]) -> None:
    """Let the runs of each arm err on these test items and on no others."""
    for run in Store(store):
        frame = run.predictions
        ids = frame["id"].unique()
        errs = frame["id"].isin(ids[wrong.get(run.record.spec.arm, slice(0))])
        frame = frame.assign(prediction=np.where(errs, 1 - frame["label"], frame["label"]))
        with_probabilities(frame, frame["prediction"] * 0.8 + 0.1).to_parquet(
            run.path / PREDICTIONS, index=False
        )
        manifest = json.loads((run.path / MANIFEST).read_text())
        (run.path / MANIFEST).write_text(
            json.dumps(manifest | {PREDICTIONS: hash_of(run.path / PREDICTIONS)})
        )


def words_of(page: Path) -> str:
    article = re.search(r"<article.*</article>", page.read_text("utf-8"), re.DOTALL)
    assert article
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", article[0]))


CASES = {
    "distillation hurts": (
        {"baseline": slice(0, 8), "distilled": slice(0, 24), "transfer": slice(0, 24)},
        {
            "index": [
                "the transfer student is worse",
                "With a teacher and rows without labels, the student is worse on test rows",
                "these students are less accurate",
            ],
            "distillation": ["a significant loss"],
            "evaluation": [
                "is worse than the baseline in English and German",
                "The transfer student is significantly worse than",
                "less often than the baseline",
            ],
        },
        r"student is better|outperforms the baseline in|significantly outperforms|significant gain",
    ),
    "nothing is clear": (
        {
            "teacher": slice(0, 8),
            "baseline": slice(8, 16),
            "distilled": slice(16, 24),
            "transfer": slice(16, 24),
            "longer": slice(0, 8),
            "shuffled": slice(8, 16),
        },
        {
            "index": [
                "inconclusive, since this study is too small",
                "the student is not shown to be better on test rows",
                "undefined",
            ],
            "baseline": ["not shown to be the better model"],
            "distillation": ["which is inconclusive"],
            "evaluation": [
                "the result is inconclusive in English and German",
                "It is not shown to outperform",
            ],
        },
        r"student is (better|worse)|(distillation|it) (helps|hurts)|significantly (outperforms|worse)",
    ),
}


SPEAKING = {"index", "baseline", "distillation", "evaluation", "customization", "choosing"}  # of verdicts


@pytest.mark.parametrize("case", CASES)
def test_the_pages_say_what_the_results_say(case, smoke_store, tmp_path):
    wrong, says, never = CASES[case]
    project, store = tmp_path / "project", tmp_path / "store"
    copy_project(ROOT, project)
    without_cells(project, set(CHAPTERS) - SPEAKING)
    shutil.copytree(smoke_store, store)
    doctored(store, wrong)
    done = build(project, store)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert "finished in" not in done.stderr
    pages = {name: words_of(project / "_build" / "html" / "book" / f"{name}.html") for name in CHAPTERS}
    for name, sentences in says.items():
        for sentence in sentences:
            assert sentence in pages[name], (name, sentence, pages[name])
    for name in CHAPTERS:
        assert not re.search(never, pages[name]), (name, re.search(never, pages[name]))


FENCED = re.compile(
    r"^(?P<fence>`{3,})\{?(code-cell|literalinclude|python|toml)\b.*?^(?P=fence)", re.MULTILINE | re.DOTALL
)
NOT_PROSE = re.compile(
    r"\A---\n.*?^---\n|\$\$.*?\$\$|\$[^$\n]+\$|`[^`\n]+`|\{[\w:]+\}`[^`]+`|Python 3\.\d+(?:,? (?:or )?3\.\d+)*|AutoGluon \d+(?:\.\d+)+|Apache-2\.0|Version \d+\.\d+\.\d+|^:[\w-]+:[^\n]*$",
    re.MULTILINE | re.DOTALL,
)
RESULT = re.compile(r"\d[.,]\d|\d+ ?%|\d+ (points|times|seconds|pairs|rows)")
PUBLISHED = re.compile(r"\]\(https://|\{cite:|95% (CI|confidence)|power")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_result_is_typed_by_hand(chapter):
    """In prose a result may stand only in a paragraph that cites where it comes from."""
    text = FENCED.sub("", (ROOT / "book" / f"{chapter}.md").read_text("utf-8"))
    for paragraph in re.split(r"\n\s*\n", text):
        prose = NOT_PROSE.sub("", paragraph)
        if not PUBLISHED.search(paragraph):
            assert not RESULT.search(prose), paragraph
