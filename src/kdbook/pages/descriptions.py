"""What a study is about, and what its data are, in sentences for a page.

Every function returns Markdown; what comes from the data or the profile is shown as it is.
"""

from collections.abc import Mapping

from kdbook.data import UNLABELLED, TextData
from kdbook.data.statistics import word_counts, word_overlap
from kdbook.pages.markup import code, conjunction, emphasized, plain, strong
from kdbook.settings.arms import Variation
from kdbook.settings.data import ALL, GENERATED
from kdbook.settings.profile import Profile
from kdbook.study.study import Study

# what it sets for all models, and a default of its time (AutoGluon 0.6) that has changed since


def about(study: Study) -> str:
    """What a study is about: profile, data, and number of rows."""
    rows = ", ".join(f"{count:,} {split}" for split, count in study.data.sizes().loc[ALL].items())
    profile = study.profile
    description = f"**Profile {code(profile.name)}.** {plain(profile.description)}."
    return f"{description} Data: {_source(profile)} ({rows} rows)."


def _source(profile: Profile) -> str:
    settings = profile.data
    if settings.source == GENERATED:
        noise = 100 * settings.train_label_noise
        note = f", about {noise:.0f} % of the training labels incorrect on purpose" if noise else ""
        return f"generated sentences{note}"
    return code(settings.source.rpartition("/")[2]) if settings.columns else "PAWS-X or data in its layout"


def variations(chosen: Mapping[str, Variation]) -> str:
    """Controls or ablations with their titles, as a list."""
    return "\n".join(f"- {strong(name)}: {plain(each.title)}" for name, each in chosen.items())


def question(study: Study) -> str:
    """The primary question of a study, as a quotation."""
    primary = study.profile.primary
    difference = f"{strong(primary.arm)} minus {strong(primary.against)}"
    return f"> {difference}, {primary.metric} on {strong(primary.test)} test rows"


def task(data: TextData) -> str:
    """The task: what a model predicts for a row of these data."""
    if data.task == "paraphrase":
        return (
            "Each row contains two sentences in one language, and the task is to predict whether they "
            "mean the same (1) or not (0)."
        )
    content = "two texts" if data.pairs else "one text"
    classes = conjunction(map(emphasized, data.classes))
    number = len(data.classes)
    return f"Each row contains {content}, and the task is to predict one of {number} classes: {classes}."


def surface_cues(data: TextData) -> str:
    """How far surface cues separate the classes: common words of the two texts, or the length of the one."""
    train = data["train"]
    means = (word_overlap(train) if data.pairs else word_counts(train)).groupby(train["label"]).mean()
    if data.task == "paraphrase":
        return (
            f"Pairs with the same meaning share {means[1]:.2f} of their words on average, pairs with "
            f"different meaning {means[0]:.2f}."
        )
    digits = 2 if data.pairs else 1
    by_class = conjunction(
        f"{emphasized(name)}: {means[label]:.{digits}f}" for label, name in enumerate(data.classes)
    )
    return f"{'Share of common words' if data.pairs else 'Words per text'}, mean by class: {by_class}."


def differing_labels(data: TextData) -> str:
    """How many ids have labels that differ between the languages."""
    counts = ", ".join(f"{audit.differing_ids()} in {split}" for split, audit in data.audits.items())
    return f"Ids whose labels differ between the languages before anything is dropped: {counts}."


def remarks(data: TextData) -> str:
    """What looks like an oversight in the data, as a list."""
    if not data.notes:
        return "Nothing else in these data looks like an oversight."
    return "\n".join(f"- {plain(note)}" for note in data.notes)


def unlabelled_rows(study: Study) -> str:
    """How many training items have a label, and what the others are used for."""
    data = study.data
    labelled = data["train"]
    if UNLABELLED not in data.splits:
        return f"In this study all {labelled['id'].nunique():,} training items have a label."
    others = data[UNLABELLED]
    return (
        f"In this study {labelled['id'].nunique():,} training items ({len(labelled):,} rows) have a label, "
        f"and **{len(others):,} rows** are used without one."
    )
