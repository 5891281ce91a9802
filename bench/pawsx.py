"""Train PAWS-X on what a processor can do, and keep the results: ``make pawsx-dev``.

``KDBOOK_DATA`` is a directory in the layout of the PAWS-X release. The first 1,500 development items are the labelled
rows, the other 500 the validation rows, the 2,000 test items the test rows. Rows without labels are made from the
labelled ones: their first sentences, each beside itself with two names, numbers, clauses or words exchanged, as PAWS
was made (Zhang, Baldridge and He 2019). Whether such a pair is a paraphrase, nobody has decided; only the teacher
labels it. Kept are ids, labels, predictions and probabilities, never texts.
"""

import random
import re
from pathlib import Path

import pandas as pd

from kdbook.data import pawsx
from kdbook.data.audit import PLACEHOLDER
from kdbook.errors import KdbookError
from kdbook.execution.local import train_in_processes
from kdbook.settings import environment, profile
from kdbook.store.location import open_store
from kdbook.study import kept
from kdbook.study.study import Study

PROFILE = "pawsx-dev"
FOLDER = Path(__file__).parents[1]
DEVELOPMENT_ITEMS, LABELLED_ITEMS = 2000, 1500
SEED = 0
CAPITALISED = r"[A-ZÄÖÜ]\w*"
EXCHANGED = (  # one kind is chosen by chance among those that occur twice in a sentence
    rf"(?<!^)\b{CAPITALISED}(?: {CAPITALISED})*",  # names, and German nouns
    r"\b\d+(?:[.,]\d+)*",  # numbers
    r"[^,.;]+(?=[,.;])",  # clauses
    r"\b[a-zäöüß]{4,}\b",  # words
)


def scrambled(sentence: str, rng: random.Random) -> str:
    """A sentence with two of its names, numbers, clauses or words exchanged; itself if nothing can be."""
    for pattern in rng.sample(EXCHANGED, len(EXCHANGED)):
        found = [match for match in re.finditer(pattern, sentence) if match.group().strip()]
        pairs = [(a, b) for a in found for b in found if a.start() < b.start() and a.group() != b.group()]
        if pairs:
            return _exchanged(sentence, *rng.choice(pairs))
    return sentence


def _exchanged(sentence: str, first: re.Match[str], second: re.Match[str]) -> str:
    """Blanks around a clause stay where they are."""
    texts = [match.group().strip() for match in (first, second)]
    spans = [match.start() + len(match.group()) - len(match.group().lstrip()) for match in (first, second)]
    between = sentence[spans[0] + len(texts[0]) : spans[1]]
    return sentence[: spans[0]] + texts[1] + between + texts[0] + sentence[spans[1] + len(texts[1]) :]


def development_rows(release: Path, language: str) -> pd.DataFrame:
    """The development items, or those of a copy of the release that has divided them already."""
    splits = pawsx.from_directory(release, language)
    rows = splits["validation"]
    if len(rows) < DEVELOPMENT_ITEMS:
        rows = pd.concat([splits["train"], rows], ignore_index=True)
    if len(rows) != DEVELOPMENT_ITEMS:
        raise KdbookError(
            f"{release}/{language} has {len(rows):,} development items instead of {DEVELOPMENT_ITEMS:,}"
        )
    return rows


def write_data(release: Path, folder: Path, languages: tuple[str, ...]) -> None:
    """The rows of the profile, a folder for each language."""
    for language in languages:
        rows = development_rows(release, language)
        labelled = rows[:LABELLED_ITEMS]
        rng = random.Random(f"{SEED} {language}")
        pairs = [scrambled(text, rng) for text in labelled["sentence1"]]
        unlabelled = labelled.assign(id="scrambled-" + labelled["id"], sentence2=pairs).drop(columns="label")
        tables = {
            "train": labelled,
            "validation": rows[LABELLED_ITEMS:],
            "test": pawsx.from_directory(release, language)["test"],
            "unlabelled": unlabelled[unlabelled["sentence1"] != unlabelled["sentence2"]],
        }
        (folder / language).mkdir(parents=True, exist_ok=True)
        for split, table in tables.items():
            texts = table[["sentence1", "sentence2"]]
            table[~(texts == PLACEHOLDER).any(axis=1)].to_csv(folder / language / f"{split}.csv", index=False)


def main() -> None:
    release = environment.read().data
    if not release:
        raise SystemExit("name a copy of the PAWS-X release: make pawsx-dev KDBOOK_DATA=DIR")
    some = profile.load(PROFILE)
    write_data(Path(release), Path(some.data.source), some.data.languages)
    study = Study(some, open_store(), train_in_processes)
    arms = study.get_or_train_arms()
    runs = [run for of_arm in arms.values() for run in of_arm]
    facts = {"rows": study.data.sizes().to_dict(), "notes": list(study.data.notes)}
    kept.write(FOLDER / kept.FOLDER / f"{PROFILE}.parquet", runs, study.data.classes, facts)


if __name__ == "__main__":
    main()
