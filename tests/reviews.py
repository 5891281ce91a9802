"""Made-up reviews in three languages and three classes, as an example of custom data."""

from itertools import cycle, islice

import numpy as np
import pandas as pd

MOODS = {
    "en": {
        "bad": ["awful", "broken", "slow", "noisy", "too expensive", "a waste of money"],
        "fair": ["all right", "as expected", "not special", "average", "good enough", "usual for its price"],
        "good": ["excellent", "quick", "quiet", "a bargain", "beautiful", "better than promised"],
    },
    "de": {
        "bad": ["furchtbar", "kaputt", "langsam", "laut", "zu teuer", "hinausgeworfenes Geld"],
        "fair": [
            "in Ordnung",
            "wie erwartet",
            "nichts Besonderes",
            "mittelmäßig",
            "gut genug",
            "üblich für den Preis",
        ],
        "good": [
            "ausgezeichnet",
            "schnell",
            "leise",
            "ein guter Kauf",
            "wunderschön",
            "besser als versprochen",
        ],
    },
    "fr": {
        "bad": ["affreux", "cassé", "lent", "bruyant", "trop cher", "une perte d'argent"],
        "fair": ["correct", "comme prévu", "sans surprise", "moyen", "assez bon", "habituel pour ce prix"],
        "good": [
            "excellent",
            "rapide",
            "silencieux",
            "une bonne affaire",
            "magnifique",
            "meilleur que promis",
        ],
    },
}
THINGS = {
    "en": ["lamp", "radio", "chair", "clock", "kettle", "printer", "phone", "jacket"],
    "de": ["Lampe", "Radio", "Stuhl", "Uhr", "Kessel", "Drucker", "Telefon", "Jacke"],
    "fr": ["lampe", "radio", "chaise", "horloge", "bouilloire", "imprimante", "téléphone", "veste"],
}
FORMS = {
    "en": ["The {thing} is {mood} .", "My verdict on the {thing} : {mood} ."],
    "de": ["{thing} : {mood} .", "Mein Urteil , {thing} : {mood} ."],
    "fr": ["{thing} : {mood} .", "Mon avis , {thing} : {mood} ."],
}


def generate(items: int, seed: int = 0) -> pd.DataFrame:
    """Rows with columns ``review``, ``language`` and ``mood``, ``items`` of each language, the classes in
    equal numbers, in random order.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for language, moods in MOODS.items():
        for mood in islice(cycle(moods), items):
            thing, verdict = rng.choice(THINGS[language]), rng.choice(moods[mood])
            review = rng.choice(FORMS[language]).format(thing=thing, mood=verdict)
            rows.append({"review": review, "language": language, "mood": mood})
    return pd.DataFrame(rows).sample(frac=1, random_state=seed, ignore_index=True)
