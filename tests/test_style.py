"""Pages, documents and messages use the words that CONTRIBUTING.md lists; chapters have the form of a lesson."""

import re
from pathlib import Path

import pytest
from helpers import FRONT_MATTER

ROOT = Path(__file__).parents[1]
PHRASES = {
    r"\bwhoever\b": "you, or the noun",
    r"\bone's own\b": "your own",
    r"\bby heart\b|\bevened out\b": "memorize, softened",
    r"\bluck(y)?\b|\bdrawn anew\b": "variance, resampled",
    r"\bright answers?\b|\banswer(s|ed)? (rightly|wrongly)\b": "label, correct, incorrect",
    r"\bmost frequent answer\b": "majority-class baseline",
    r"\bfour of five\b|\bnine tenths\b|\bone half\b": "a number",
    r"\bclearly (better|worse|ahead|different)\b": "significantly",
    r"\b(teacher|student|model)s? (says?|said|tells?|knows?|gives?|is asked|are asked)\b": "predicts, outputs",
    r"\bask(s|ed|ing)? the (teacher|student)\b": "run the teacher",
    r"\b(comes?|came) to rest\b|\bat rest\b": "at the minimum",
    r"\bwhat it takes to\b|\btaken home\b|\bof yesterday\b": "a plain noun",
    r"\bruns? do(es)? not tell\b": "inconclusive",
    r"\d %": "80% without a space",
    r"95% interval": "95% CI",
    r"\b(un)?labeled\b|\bbehavior\b|\bfavor\b|\bgray\b": "British spelling",
}
PAGES = (*ROOT.glob("book/*.md"), *ROOT.glob("*.md"))
CODE = (*(ROOT / "src").rglob("*.py"), *(ROOT / "bench").glob("*.py"), *ROOT.glob("book/_static/*.js"))
WIDEST_CODE = 86  # characters that fit a page
BLOCK = re.compile(r"^```(?:\{code-cell\}|python).*?^```", re.MULTILINE | re.DOTALL)
# The word table, and names that data of others have.
EXCEPT = {
    "CONTRIBUTING.md": re.compile(r"^\| .*", re.MULTILINE),
    "custom.py": re.compile(r"unlabeled"),
}


@pytest.mark.parametrize("path", [*PAGES, *CODE], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_phrase_reads_as_translated(path):
    text = path.read_text("utf-8")
    if path.name in EXCEPT:
        text = EXCEPT[path.name].sub("", text)
    for phrase, better in PHRASES.items():
        match = re.search(phrase, text, re.IGNORECASE)
        assert not match, f"{match[0]!r}: write {better}" if match else ""


@pytest.mark.parametrize("path", ROOT.glob("book/*.md"), ids=lambda path: path.stem)
def test_code_fits_the_page(path):
    for block in BLOCK.findall(path.read_text("utf-8")):
        options = ("alt:", "caption:")
        too_wide = [line for line in block.splitlines() if not line.strip().startswith(options)]
        assert not [line for line in too_wide if len(line) > WIDEST_CODE]


LESSONS = [
    path
    for path in sorted(ROOT.glob("book/*.md"))
    if path.stem not in {"index", "reproduce", "glossary", "references", "de-index", "de-quickstart"}
]
FENCED = re.compile(r"^```(?:\{code-cell\}|python|toml|sh).*?^```", re.MULTILINE | re.DOTALL)
MOST_CELLS = 25


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_goals_prose_a_figure_a_summary_and_exercises(path):
    text = FRONT_MATTER.sub("", path.read_text("utf-8"))
    assert "{admonition} Learning goals\n:class: tip\nYou will\n" in text
    assert 900 <= len(FENCED.sub("", text).split()) <= 3000
    assert text.count("{code-cell}") <= MOST_CELLS
    figures = text.count("\nmystnb:\n")
    assert (
        figures >= 1
        and text.count("\n  figure:\n    caption: ") == text.count("\n  image:\n    alt: ") == figures
    )
    assert text.index("\n## Summary\n") < text.index("\n## Exercises\n")
    assert text.count(":class: exercise") == text.count("{dropdown} Solution") >= 2


def test_the_usual_terms_can_be_found():
    pages = " ".join(path.read_text("utf-8") for path in PAGES if path.parent.name == "book").lower()
    terms = (
        "ground truth, held-out, overfit, memorize, majority, outperform, dark knowledge, soft labels, "
        "pseudo-labels, unlabelled, pruning, quantization, confusion matrix, vocabulary trimming, zero-shot"
    )
    assert not [term for term in terms.split(", ") if term not in pages]
