"""Voice commands in several languages, as an example of custom data: templates of Home Assistant, filled at
random.

Contributors of Home Assistant wrote the templates for each language on its own. They are in the package
``home-assistant-intents`` (Apache-2.0), and ``hassil`` parses them. Only what a home calls its rooms and
things is ours.
"""

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import home_assistant_intents
import pandas as pd
from hassil.expression import (
    Alternative,
    Expression,
    Group,
    ListReference,
    Permutation,
    RuleReference,
    Sentence,
    TextChunk,
)
from hassil.intents import Intents, RangeSlotList, SlotList, TextSlotList

INTENTS = {
    "HassTurnOn": "turn on",
    "HassTurnOff": "turn off",
    "HassLightSet": "set light",
    "HassFanSetSpeed": "set fan speed",
    "HassGetState": "report state",
    "HassClimateSetTemperature": "set temperature",
    "HassClimateGetTemperature": "report temperature",
    "HassStartTimer": "start timer",
    "HassIncreaseTimer": "extend timer",
    "HassDecreaseTimer": "shorten timer",
    "HassPauseTimer": "pause timer",
    "HassUnpauseTimer": "resume timer",
    "HassCancelTimer": "cancel timer",
    "HassTimerStatus": "report timer",
    "HassSetVolume": "set volume",
    "HassSetVolumeRelative": "change volume",
    "HassMediaSearchAndPlay": "play media",
    "HassMediaNext": "next track",
    "HassMediaPrevious": "previous track",
}
AREA, NAME, FLOOR, REST = "area", "name", "floor", "rest"
HOME = {  # what a home has, by language and list; the last is for lists that take any words: names of timers
    "en": {
        AREA: ["kitchen", "bedroom", "office", "garage", "living room", "hall"],
        NAME: ["desk lamp", "ceiling fan", "heater", "curtain", "front door", "radio"],
        FLOOR: ["ground floor", "first floor", "basement"],
        REST: ["pizza", "tea", "laundry"],
    },
    "de": {
        AREA: ["Küche", "Schlafzimmer", "Büro", "Garage", "Wohnzimmer", "Flur"],
        NAME: ["Schreibtischlampe", "Ventilator", "Heizung", "Vorhang", "Haustür", "Radio"],
        FLOOR: ["Erdgeschoss", "Obergeschoss", "Keller"],
        REST: ["Pizza", "Tee", "Wäsche"],
    },
    "nl": {
        AREA: ["keuken", "slaapkamer", "kantoor", "garage", "woonkamer", "hal"],
        NAME: ["bureaulamp", "ventilator", "verwarming", "gordijn", "voordeur", "radio"],
        FLOOR: ["begane grond", "bovenverdieping", "kelder"],
        REST: ["pizza", "thee", "was"],
    },
    "fr": {
        AREA: ["cuisine", "chambre", "bureau", "garage", "salon", "couloir"],
        NAME: ["lampe de bureau", "ventilateur", "chauffage", "rideau", "porte d'entrée", "radio"],
        FLOOR: ["rez-de-chaussée", "premier étage", "sous-sol"],
        REST: ["pizza", "thé", "lessive"],
    },
}
LANGUAGES = ("en", "de", "nl")  # of the study; its settings were chosen in French
FREE_COMMAND = "timer_command"  # a list that takes whole commands, whatever their intent
SHARES = {"train": 0.5, "validation": 0.1, "test": 0.4}  # of the templates
EXPANSIONS = {"train": 3, "validation": 1, "test": 1}  # of a template: test rows are independent
MOST_TRAINING_ROWS = 500  # of a language


@dataclass(frozen=True)
class Template:
    """A template with the rules and lists that it refers to."""

    intent: str
    name: str
    sentence: Sentence
    rules: Mapping[str, Sentence]
    lists: Mapping[str, SlotList]


def splits(languages: Sequence[str] = LANGUAGES, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Rows with columns ``command``, ``language`` and ``intent``, by split.

    A template is in one split with all its commands: else the test would contain what a model has all but
    seen.
    """
    rows = pd.concat([_rows(language, seed) for language in languages]).sample(frac=1, random_state=seed)
    parts = {split: rows[rows["split"] == split].drop(columns="split") for split in SHARES}
    parts["train"] = parts["train"].groupby("language").head(MOST_TRAINING_ROWS)
    return {split: part.reset_index(drop=True) for split, part in parts.items()}


def _split(template: str) -> str:
    """The split of a template, by a hash of its name."""
    place = int(hashlib.sha256(f"split:{template}".encode()).hexdigest(), 16) % 1000 / 1000
    for split, share in SHARES.items():
        place -= share
        if place < 0:
            return split
    return split


def _rows(language: str, seed: int) -> pd.DataFrame:
    rng = random.Random(f"{seed}:{language}")
    rows = [
        {"command": command, "language": language, "intent": template.intent, "split": split}
        for template in _templates(language)
        for split in [_split(template.name)]
        for command in dict.fromkeys(_fill(template, language, rng) for _ in range(EXPANSIONS[split]))
    ]
    return pd.DataFrame(rows).drop_duplicates("command")


def _templates(language: str) -> Iterator[Template]:
    source = home_assistant_intents.get_intents(language)
    assert source is not None
    intents = Intents.from_dict(source)
    for name, title in INTENTS.items():
        sentences = (
            (sentence, group) for group in intents.intents[name].data for sentence in group.sentences
        )
        for number, (sentence, group) in enumerate(sentences):
            rules = {**intents.expansion_rules, **group.expansion_rules}
            if FREE_COMMAND not in sentence.list_names(rules):
                lists = {**intents.slot_lists, **group.slot_lists}
                yield Template(title, f"{language} {name} {number}", sentence, rules, lists)


def _fill(template: Template, language: str, rng: random.Random) -> str:
    """One of the many commands of a template."""

    def fill(part: Expression) -> str:
        match part:
            case TextChunk():
                return part.original_text
            case Alternative():
                return fill(rng.choice(part.items))
            case Permutation():
                return "".join(map(fill, rng.sample(part.items, len(part.items))))
            case Group():
                return "".join(map(fill, part.items))
            case RuleReference():
                return fill(template.rules[part.rule_name].expression)
        assert isinstance(part, ListReference)
        return fill(_word(part.list_name, template, HOME[language], rng))

    return " ".join(fill(template.sentence.expression).split())


def _word(name: str, template: Template, home: Mapping[str, list[str]], rng: random.Random) -> Expression:
    """A word of a list: of the home, of the language, a number, or any."""
    words = template.lists.get(name)
    if name not in home and isinstance(words, TextSlotList):
        return rng.choice(words.values).text_in
    if name not in home and isinstance(words, RangeSlotList):
        return TextChunk(str(rng.choice(range(words.start, words.stop + 1, words.step))))
    return TextChunk(rng.choice(home.get(name, home[REST])))
