"""A generated corpus in the style of PAWS: English and German sentence pairs with exact labels.

Every *item* is one fact told twice in each language. The second sentence either means the same as the first
(reordered, other voice, synonyms, converse) or differs by one edit that changes the meaning (a replaced year,
place, name or word, an opposite, two exchanged names). The wording of both sentences is drawn before the edit
and independently of the label, and replaced values come from the same distribution as the originals, so
neither a single sentence nor the words of the pair give the label away; only comparing the two sentences
does.

The sentences come from ``study_patterns.toml``, the words from ``lexicon.toml``. Encoders were pretrained on
facts of other patterns, without the edit :data:`OPPOSITE` (``tools/pretraining``). PAWS itself is described
in Zhang, Baldridge and He (2019), "PAWS: Paraphrase Adversaries from Word Scrambling".
"""

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd

LANGUAGES = ("en", "de")
POLAR_SIZE = 2

SWAP, OPPOSITE, REPLACE = "swap", "opposite", "replace"  # meaning-changing edits
# How often each is drawn, among those that a pattern allows.
EDIT_WEIGHTS = {SWAP: 0.45, OPPOSITE: 0.25, REPLACE: 0.30}
REPLACED = (
    {"person": "name", "year": "year", "number": "number"}
    | dict.fromkeys(("city", "country"), "place")
    | dict.fromkeys(("month", "weekday"), "date")
)
PRESERVED = {"front": "reordered", "alt": "reworded", "passive": "other voice", "converse": "converse"}

_MARKUP = re.compile(r"\{(?P<slot>\w+)(?P<flip>~?)(?P<participle>:pp)?\}|\[(?P<choices>[^\]]*)\]")


@dataclass(frozen=True)
class Value:
    """A value that can fill a slot, with its synonyms in both languages."""

    en: tuple[str, ...]
    de: tuple[str, ...]
    de_participle: tuple[str, ...]


@dataclass(frozen=True)
class Slot:
    """A place in a form that a value fills: with the opposite word if ``flip``, as a participle if
    ``participle``.
    """

    name: str
    flip: bool
    participle: bool


Part = str | Slot | tuple[str, ...]  # literal text, a slot, or synonyms to choose from
Lexicon = Mapping[str, tuple[Value, ...]]  # word classes by name


@dataclass(frozen=True)
class Pattern:
    """A fact that can be told in several forms; the head of ``study_patterns.toml`` explains the markup.

    ``slots`` names the class of each slot, ``lexicon`` contains the classes.
    """

    name: str
    domain: str
    slots: dict[str, str]
    swaps: tuple[tuple[str, str], ...]
    forms: dict[str, dict[str, list[Part]]]
    lexicon: Lexicon

    def choices(self, slot: str) -> tuple[Value, ...]:
        """The values that can fill a slot."""
        return self.lexicon[self.slots[slot]]


@cache
def lexicon() -> Lexicon:
    """All word classes of the study."""
    years = tuple(_entity(str(year)) for year in range(1900, 2010))
    return {"year": years, **parsed_lexicon((files(__package__) / "lexicon.toml").read_text("utf-8"))}


@cache
def patterns() -> tuple[Pattern, ...]:
    """All sentence patterns of the study, in the order of their file."""
    return parsed_patterns((files(__package__) / "study_patterns.toml").read_text("utf-8"), lexicon())


def parsed_lexicon(text: str) -> dict[str, tuple[Value, ...]]:
    """Word classes in the format of ``lexicon.toml``, whose head explains it."""
    table = tomllib.loads(text)
    entities = {name: tuple(map(_entity, values)) for name, values in table["entities"].items()}
    words = {name: tuple(_word(*value) for value in values) for name, values in table["words"].items()}
    return entities | words


def parsed_patterns(text: str, classes: Lexicon) -> tuple[Pattern, ...]:
    """Sentence patterns in the format of ``study_patterns.toml``, whose slots are filled from ``classes``."""
    return tuple(_pattern(lexicon=classes, **entry) for entry in tomllib.loads(text)["pattern"])


def generate(items: dict[str, int], seed: int) -> dict[str, pd.DataFrame]:
    """Generate splits of the corpus.

    Parameters
    ----------
    items
        Number of items in each split, for example ``{"train": 2000, "test": 500}``.
    seed
        The same seed gives the same rows.

    Returns
    -------
    For each split a frame with the columns ``id``, ``language``, ``sentence1``, ``sentence2``, ``label``,
    ``true_label`` (the same), ``edit`` and ``pattern``, two rows (English, German) per item. No sentence pair
    occurs in two items.
    """
    stream = _distinct(_items(random.Random(seed), patterns()))
    splits, first = {}, 0
    for split, count in items.items():
        rows = [{"id": first + index, **row} for index in range(count) for row in next(stream)]
        splits[split] = pd.DataFrame(rows)
        first += count
    return splits


def with_label_noise(rows: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """The rows with a flipped ``label`` for about this share of the items, the same items in both languages.

    A translated item inherits its label in PAWS-X too, so an annotator's error is in all languages.
    """
    wrong = rows["id"].map(lambda item: random.Random(f"{seed}:{item}").random() < share)
    return rows.assign(label=rows["label"].where(~wrong, 1 - rows["label"]))


def render(pattern: Pattern, form: str, language: str, values: dict[str, Value], rng: random.Random) -> str:
    """Tell a fact in one form and language, with synonyms drawn at random."""
    words = (_say(part, pattern, language, values, rng) for part in pattern.forms[form][language])
    text = "".join(words)
    return text[0].upper() + text[1:]


def _items(rng: random.Random, choices: Sequence[Pattern]) -> Iterator[list[dict[str, object]]]:
    while True:
        pattern, values = fact(rng, choices)
        label = rng.randrange(2)
        forms = two_forms(pattern, rng)
        edited, edit = (values, _preserving_edit(*forms)) if label else changing_edit(pattern, values, rng)
        rows = [_row(pattern, language, forms, values, edited, rng) for language in LANGUAGES]
        if all(row.pop("reworded") for row in rows):
            yield [
                row | {"label": label, "true_label": label, "edit": edit, "pattern": pattern.name}
                for row in rows
            ]


def _row(
    pattern: Pattern,
    language: str,
    forms: tuple[str, str],
    values: dict[str, Value],
    edited: dict[str, Value],
    rng: random.Random,
) -> dict[str, object]:
    """Both sentences of one language.

    ``reworded`` tells whether their wording differs apart from any edit.
    """
    wording = rng.getrandbits(32)
    first = render(pattern, forms[0], language, values, rng)
    plain, second = (
        render(pattern, forms[1], language, told, random.Random(wording)) for told in (values, edited)
    )
    return {"language": language, "sentence1": first, "sentence2": second, "reworded": plain != first}


def _distinct(stream: Iterator[list[dict[str, object]]]) -> Iterator[list[dict[str, object]]]:
    """The items of which no sentence pair occurred before."""
    taken: set[tuple[str, str]] = set()
    for rows in stream:
        pairs = {_unordered(str(row["sentence1"]), str(row["sentence2"])) for row in rows}
        if not pairs & taken:
            taken |= pairs
            yield rows


def _unordered(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first <= second else (second, first)


def fact(rng: random.Random, choices: Sequence[Pattern]) -> tuple[Pattern, dict[str, Value]]:
    """A pattern drawn at random from ``choices``, and a value for each of its slots.

    Slots of one class get different values.
    """
    pattern = rng.choice(choices)
    members: dict[str, list[str]] = {}
    for slot, word_class in pattern.slots.items():
        members.setdefault(word_class, []).append(slot)
    drawn: dict[str, Value] = {}
    for word_class, slots in members.items():
        drawn |= zip(slots, rng.sample(pattern.lexicon[word_class], len(slots)), strict=True)
    return pattern, {slot: drawn[slot] for slot in pattern.slots}


def two_forms(pattern: Pattern, rng: random.Random) -> tuple[str, str]:
    """The forms in which the two sentences of a pair are told, drawn independently."""
    first, second = rng.choices(list(pattern.forms), k=2)
    return first, second


def _preserving_edit(first: str, second: str) -> str:
    if first == second:
        return "synonym"
    for form in ("converse", "passive", "alt", "front"):
        if form in (first, second):
            return PRESERVED[form]
    raise ValueError(f"no name for the change from form {first!r} to {second!r}")


def changing_edit(
    pattern: Pattern,
    values: dict[str, Value],
    rng: random.Random,
    weights: Mapping[str, float] = EDIT_WEIGHTS,
) -> tuple[dict[str, Value], str]:
    """Other values that state another fact, one edit away, and the name of that edit.

    ``weights`` contains how often each kind of edit is drawn, among those that the pattern allows.
    """
    polar = [slot for slot in pattern.slots if len(pattern.choices(slot)) == POLAR_SIZE]
    other = [slot for slot in pattern.slots if slot not in polar]
    possible = {SWAP: pattern.swaps, OPPOSITE: polar, REPLACE: other}
    kinds = [kind for kind in weights if possible[kind]]
    kind = rng.choices(kinds, [weights[k] for k in kinds])[0]
    if kind == SWAP:
        a, b = rng.choice(pattern.swaps)
        return values | {a: values[b], b: values[a]}, f"swapped {_noun(pattern.slots[a])}s"
    slot = rng.choice(polar if kind == OPPOSITE else other)
    free = [value for value in pattern.choices(slot) if value not in values.values()]
    name = OPPOSITE if kind == OPPOSITE else f"other {_noun(pattern.slots[slot])}"
    return values | {slot: rng.choice(free)}, name


def _noun(word_class: str) -> str:
    return REPLACED.get(word_class, "word")


def _say(part: Part, pattern: Pattern, language: str, values: dict[str, Value], rng: random.Random) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, tuple):
        return rng.choice(part)
    value = values[part.name]
    if part.flip:
        pair = pattern.choices(part.name)
        value = pair[1 - pair.index(value)]
    if part.participle and language == "de":
        return rng.choice(value.de_participle)
    return rng.choice(value.en if language == "en" else value.de)


def _entity(text: str) -> Value:
    english, _, german = text.partition("|")
    return Value((english,), (german or english,), ())


def _word(english: str, german: str, participle: str = "") -> Value:
    return Value(*(tuple(text.split("/")) for text in (english, german, participle)))


def _pattern(
    name: str, domain: str, slots: dict[str, str], swap: list[str], lexicon: Lexicon, **forms: dict[str, str]
) -> Pattern:
    swaps = tuple((a, b) for a, b in (pair.split() for pair in swap))
    parsed = {
        form: {language: _parse(text) for language, text in texts.items()} for form, texts in forms.items()
    }
    return Pattern(name, domain, slots, swaps, parsed, lexicon)


def _parse(template: str) -> list[Part]:
    parts: list[Part] = []
    end = 0
    for match in _MARKUP.finditer(template):
        parts.append(template[end : match.start()])
        if match["slot"]:
            parts.append(Slot(match["slot"], bool(match["flip"]), bool(match["participle"])))
        else:
            parts.append(tuple(match["choices"].split("|")))
        end = match.end()
    return [part for part in [*parts, template[end:]] if part]
