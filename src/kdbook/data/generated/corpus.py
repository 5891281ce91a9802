"""A generated corpus in the style of PAWS: English and German sentence pairs with exact labels.

Every *item* is one fact told twice in each language. The second sentence either means the same as the first
(reordered, other voice, synonyms, converse) or differs by one edit that changes the meaning (a replaced year,
place, name or word, an opposite, two exchanged names). The wording of both sentences is drawn before the edit
and independently of the label, and replaced values come from the same distribution as the originals, so
neither a single sentence nor the words of the pair give the label away; only comparing the two sentences
does.

The sentences come from ``study_patterns.toml``, the words from ``lexicon.toml``. Encoders are pretrained on
facts of other patterns, those of ``pretraining_patterns.toml``, and never meet an edit of
:data:`HELD_OUT_EDITS`. PAWS itself is described in Zhang, Baldridge and He (2019), "PAWS: Paraphrase
Adversaries from Word Scrambling".
"""

import random
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd

LANGUAGES = ("en", "de")
STUDY = "study_patterns.toml"
PRETRAINING = "pretraining_patterns.toml"
POLAR_SIZE = 2

# How often a meaning-changing edit is drawn, among those that a pattern allows.
EDIT_WEIGHTS = {"swap": 0.45, "opposite": 0.25, "replace": 0.30}
HELD_OUT_EDITS = ("opposite",)  # never met in pretraining
PLACE = ("city", "country", "where")
TIME = ("month", "weekday", "when")
REPLACED = (
    {"person": "name", "year": "year", "number": "number"}
    | dict.fromkeys(PLACE, "place")
    | dict.fromkeys(TIME, "date")
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


@dataclass(frozen=True)
class Pattern:
    """A fact that can be told in several forms; the head of ``pretraining_patterns.toml`` explains the
    markup.
    """

    name: str
    domain: str
    slots: dict[str, str]
    swaps: tuple[tuple[str, str], ...]
    forms: dict[str, dict[str, list[Part]]]


@cache
def lexicon() -> dict[str, tuple[Value, ...]]:
    """All word classes, by name."""
    table = tomllib.loads((files(__package__) / "lexicon.toml").read_text("utf-8"))
    classes = {"year": tuple(_entity(str(year)) for year in range(1900, 2010))}
    classes |= {name: tuple(map(_entity, values)) for name, values in table["entities"].items()}
    season, spot = classes.pop("season"), classes.pop("spot")
    classes["when"] = (
        *_phrases("in", "im Jahr", classes["year"][::5]),
        *_phrases("on", "am", classes["weekday"]),
        *_phrases("in", "im", classes["month"]),
        *season,
    )
    classes["where"] = (*_phrases("in", "in", classes["city"]), *spot)
    return classes | {
        name: tuple(_word(*value) for value in values) for name, values in table["words"].items()
    }


def _phrases(english: str, german: str, values: tuple[Value, ...]) -> tuple[Value, ...]:
    """The values behind a preposition."""
    return tuple(Value((f"{english} {each.en[0]}",), (f"{german} {each.de[0]}",), ()) for each in values)


@cache
def patterns(file: str = STUDY) -> tuple[Pattern, ...]:
    """All sentence patterns of the study, or those of pretraining, in the order of the file."""
    table = tomllib.loads((files(__package__) / file).read_text("utf-8"))
    return tuple(_pattern(**entry) for entry in table["pattern"])


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


def paraphrases(seed: int) -> Iterator[tuple[Pattern, dict[str, Value], dict[str, tuple[str, str]]]]:
    """Endless facts for pretraining: the pattern, its values, and two sentences per language that both state
    it.
    """
    rng = random.Random(seed)
    while True:
        pattern, values = fact(rng, patterns(PRETRAINING))
        first, second = two_forms(pattern, rng)
        yield (
            pattern,
            values,
            {
                language: (
                    render(pattern, first, language, values, rng),
                    render(pattern, second, language, values, rng),
                )
                for language in LANGUAGES
            },
        )


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
    drawn = {
        c: dict(zip(slots, rng.sample(lexicon()[c], len(slots)), strict=True)) for c, slots in members.items()
    }
    return pattern, {slot: drawn[word_class][slot] for slot, word_class in pattern.slots.items()}


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
    pattern: Pattern, values: dict[str, Value], rng: random.Random, held_out: Sequence[str] = ()
) -> tuple[dict[str, Value], str]:
    """Other values that state another fact, one edit away that is not ``held_out``, and the name of that
    edit.
    """
    polar = [slot for slot, word_class in pattern.slots.items() if len(lexicon()[word_class]) == POLAR_SIZE]
    other = [slot for slot in pattern.slots if slot not in polar]
    possible = {"swap": bool(pattern.swaps), "opposite": bool(polar), "replace": bool(other)}
    kinds = [kind for kind, allowed in possible.items() if allowed and kind not in held_out]
    kind = rng.choices(kinds, [EDIT_WEIGHTS[k] for k in kinds])[0]
    if kind == "swap":
        a, b = rng.choice(pattern.swaps)
        return values | {a: values[b], b: values[a]}, f"swapped {_noun(pattern.slots[a])}s"
    slot = rng.choice(polar if kind == "opposite" else other)
    word_class = pattern.slots[slot]
    free = [value for value in lexicon()[word_class] if value not in values.values()]
    return values | {
        slot: rng.choice(free)
    }, "opposite" if kind == "opposite" else f"other {_noun(word_class)}"


def _noun(word_class: str) -> str:
    return REPLACED.get(word_class, "word")


def _say(part: Part, pattern: Pattern, language: str, values: dict[str, Value], rng: random.Random) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, tuple):
        return rng.choice(part)
    value = values[part.name]
    if part.flip:
        pair = lexicon()[pattern.slots[part.name]]
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
    name: str, domain: str, slots: dict[str, str], swap: list[str], **forms: dict[str, str]
) -> Pattern:
    swaps = tuple((a, b) for a, b in (pair.split() for pair in swap))
    parsed = {
        form: {language: _parse(text) for language, text in texts.items()} for form, texts in forms.items()
    }
    return Pattern(name, domain, slots, swaps, parsed)


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
