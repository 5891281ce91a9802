"""From stored predictions to tables. Nothing here needs a model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from kdbook import stats
from kdbook.data import TextData, texts
from kdbook.profile import ALL, BASELINE, DISTILLED, MAIN_ARMS, TEACHER
from kdbook.store import Record, Run
from kdbook.study import RunSpec, Study
from kdbook.tables import BACKBONE, FIT, FORMATS, PREDICT, TOTAL

LANGUAGE_NAMES = {
    "en": "English",
    "de": "German",
    "es": "Spanish",
    "fr": "French",
    "ja": "Japanese",
    "ko": "Korean",
    "zh": "Chinese",
    ALL: "All",
}
SEEN, UNSEEN = "trained on", "never seen"


def accuracy(predictions: pd.DataFrame) -> dict[str, float]:
    """Share of right predictions in each language and in ``all`` rows together."""
    right = predictions["prediction"] == predictions["label"]
    by_language = right.groupby(predictions["language"], sort=False).mean()
    return {str(language): float(share) for language, share in by_language.items()} | {ALL: float(right.mean())}


def probabilities(predictions: pd.DataFrame) -> np.ndarray:
    """The probability of each class, shape (rows, classes)."""
    if "probability" in predictions:
        of_one = predictions["probability"].to_numpy(float)
        return np.stack([1 - of_one, of_one], axis=1)
    return predictions.filter(regex=r"^probability_\d+$").to_numpy(float)


def claims(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """For each row the probability of a claim, and whether it is true.

    Of two classes the claim is that the row is of the second, of more classes that the answer is right.
    """
    if "probability" in predictions:
        return predictions["probability"].to_numpy(float), predictions["label"].to_numpy()
    return probabilities(predictions).max(axis=1), (predictions["prediction"] == predictions["label"]).to_numpy()


def constant(predictions: pd.DataFrame) -> float:
    """Accuracy of always giving the most frequent answer."""
    return float(predictions["label"].value_counts(normalize=True).max())


def result(spec: RunSpec, run: Run) -> Record:
    """One run in plain types, as ``kdbook results --json`` prints it."""
    return {
        "name": spec.name,
        "arm": spec.arm,
        "seed": spec.seed,
        "accuracy": accuracy(run.predictions),
        "fit_seconds": run.record["fit_seconds"],
        "predict_seconds": run.record["predict_seconds"][ALL],
        "parameters": run.record["parameters"]["total"],
        "backbone_parameters": run.record["parameters"]["backbone"],
        "key": run.key,
    }


def results(study: Study) -> Record:
    """All finished runs of a study, and the comparison of its arms by test set if those are complete; nothing is trained."""
    finished = list(study.finished())
    arms: dict[str, list[Run]] = {}
    for spec, run in finished:
        arms.setdefault(spec.arm, []).append(run)
    lacking = {study.specs[name].arm for name in study.specs.keys() - {spec.name for spec, _ in finished}}
    complete = not lacking & set(MAIN_ARMS)
    return {
        "profile": study.profile.name,
        "data": study.profile.data.source,
        "primary": study.profile.primary.model_dump(),
        "runs": [result(spec, run) for spec, run in finished],
        "comparison": {test: asdict(found) for test, found in comparison(arms).items()} if complete else None,
    }


def comparison(arms: Mapping[str, Sequence[Run]]) -> dict[str, stats.Comparison]:
    """Teacher, baseline and distilled student compared on each language and on ``all`` rows."""
    teachers = teachers_of(arms)
    baselines, distilled = arms[BASELINE], arms[DISTILLED]
    return {test: stats.compare(_on(test, teachers), _on(test, baselines), _on(test, distilled)) for test in tests_of(baselines[0])}


def teachers_of(arms: Mapping[str, Sequence[Run]]) -> list[Run]:
    """The teacher of each distilled run, in the order of the distilled runs."""
    by_name = {run.record["name"]: run for run in arms[TEACHER]}
    return [by_name[run.record["spec"]["teacher"]] for run in arms[DISTILLED]]


def tests_of(run: Run) -> list[str]:
    """The test sets of a run: its languages, and ``all``."""
    return [*map(str, run.predictions["language"].drop_duplicates()), ALL]


def _on(test: str, runs: Sequence[Run]) -> list[pd.DataFrame]:
    """Predictions of each run on one test set."""
    return [run.predictions for run in runs] if test == ALL else _in([test], runs)


def _in(languages: Sequence[str], runs: Sequence[Run]) -> list[pd.DataFrame]:
    """Predictions of each run in some languages."""
    return [run.predictions[run.predictions["language"].isin(languages)] for run in runs]


def rows_needed(found: stats.Estimate, rows: int, differences: Sequence[float] = (0.1, 0.05, 0.02, 0.01)) -> pd.DataFrame:
    """How many test rows it takes to detect true differences between two models, judged by an estimate for one seed from some rows.

    The error shrinks with the root of the number of rows. That of more seeds does not, so theirs must not be in the estimate.
    """
    needed = {f"{100 * size:g}": round(rows * (found.detectable / size) ** 2) for size in differences}
    return pd.DataFrame({"difference (points)": list(needed), "test rows": list(needed.values())})


def transfer(arms: Mapping[str, Sequence[Run]], study: Study) -> dict[str, stats.Comparison]:
    """The three arms compared on the languages that they were trained on, and on those that they were not, if there are any."""
    teachers, baselines, distilled = teachers_of(arms), arms[BASELINE], arms[DISTILLED]
    return {
        name: stats.compare(_in(languages, teachers), _in(languages, baselines), _in(languages, distilled))
        for name, languages in _languages(study).items()
    }


def transfer_table(arms: Mapping[str, Sequence[Run]], study: Study) -> pd.DataFrame:
    """Mean accuracies of the arms, and the gain of distillation, on the languages trained on and on those never seen."""
    rows = {}
    for name, found in transfer(arms, study).items():
        languages = _languages(study)[name]
        means = {arm: sum(accuracy(run)[ALL] for run in _in(languages, arms[arm])) / len(arms[arm]) for arm in MAIN_ARMS}
        gain = points(found.gain.value, found.gain.low, found.gain.high)
        rows[name] = {"languages": ", ".join(languages)} | means | {"distilled − baseline": gain}
    return pd.DataFrame.from_dict(rows, orient="index")


def _languages(study: Study) -> dict[str, list[str]]:
    """The languages of a study, those that its models learn from and those that they do not; a part without any is left out."""
    data = study.profile.data
    parts = {SEEN: [language for language in data.languages if language not in data.unseen], UNSEEN: list(data.unseen)}
    return {name: languages for name, languages in parts.items() if languages}


def contrast(before: Iterable[Run], after: Iterable[Run], test: str = ALL) -> stats.Estimate:
    """Accuracy of ``after`` minus ``before`` over the seeds that both have."""
    earlier, later = ({_seed(run): run for run in runs} for runs in (before, after))
    seeds = [seed for seed in later if seed in earlier]
    return stats.difference(_on(test, [earlier[seed] for seed in seeds]), _on(test, [later[seed] for seed in seeds]))


def contrasts(arms: Mapping[str, Sequence[Run]], pairs: Iterable[tuple[str, str]], test: str = ALL) -> pd.DataFrame:
    """Several differences of arms over the seeds that all of them have, with p-values adjusted for their number (Holm).

    ``pairs`` holds the names ``(before, after)``. The index says ``after − before``; the columns are the attributes of
    :class:`kdbook.stats.Estimate`, ``seeds`` and ``adjusted``, the adjusted p-value.
    """
    pairs = list(pairs)
    by_seed = {name: {_seed(run): run for run in arms[name]} for pair in pairs for name in pair}
    seeds = [seed for seed in next(iter(by_seed.values()), ()) if all(seed in runs for runs in by_seed.values())]
    found = stats.differences({name: _on(test, [runs[seed] for seed in seeds]) for name, runs in by_seed.items()}, pairs)
    names = {pair: f"{pair[1]} − {pair[0]}" for pair in pairs}
    adjusted = stats.holm({names[pair]: estimate.p for pair, estimate in found.items()})
    table = {names[pair]: [*asdict(estimate).values(), len(seeds), adjusted[names[pair]]] for pair, estimate in found.items()}
    return pd.DataFrame.from_dict(table, orient="index", columns=["value", "low", "high", "p", "seeds", "adjusted"])


def _seed(run: Run) -> int:
    return run.record["identity"]["seed"]


def ablation_pairs(study: Study) -> list[tuple[str, str]]:
    """For each ablation of a study the arm that it varies, and itself."""
    return [(BASELINE if varied.teacher == "none" else DISTILLED, name) for name, varied in study.profile.ablations.items()]


def contrasts_table(found: pd.DataFrame) -> pd.DataFrame:
    """The table of :func:`contrasts` as one reads it: differences in points."""
    return pd.DataFrame(
        {
            "difference": [points(*ends) for ends in found[["value", "low", "high"]].itertuples(index=False)],
            "p (Holm)": found["adjusted"].map(p_value),
            "seeds": found["seeds"],
        },
        index=found.index,
    )


def comparison_table(found: Mapping[str, stats.Comparison]) -> pd.DataFrame:
    """Values with their 95 % intervals as text, a row for each test set; differences in points."""

    def share(estimate: stats.Estimate | None) -> str:
        return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]" if estimate else "undefined"

    adjusted = stats.holm({test: c.gain.p for test, c in found.items() if test != ALL})
    rows = {
        test: {
            "teacher − baseline": points(c.gap.value, c.gap.low, c.gap.high),
            "distilled − baseline": points(c.gain.value, c.gain.low, c.gain.high),
            "p (Holm)": p_value(adjusted.get(test, c.gain.p)),
            "recovery": share(c.recovery),
        }
        for test, c in found.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def points(value: float, low: float, high: float) -> str:
    """A difference of accuracies with its interval, in points."""
    return f"{100 * value:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def p_value(p: float) -> str:
    """A p-value as one prints it."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def by_teacher(arms: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """The gain of distillation for each teacher by itself: its accuracy, its students, their gain with interval."""
    rows = {}
    for teacher in arms[TEACHER]:
        taught = [run for run, its in zip(arms[DISTILLED], teachers_of(arms), strict=True) if its is teacher]
        if taught:
            found = contrast(arms[BASELINE], taught)
            gain = points(found.value, found.low, found.high)
            own = accuracy(teacher.predictions)[ALL]
            rows[teacher.record["name"]] = {"accuracy": f"{own:.3f}", "students": len(taught), "distilled − baseline": gain}
    return pd.DataFrame.from_dict(rows, orient="index")


def by_seed(arms: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """Baseline and distilled student of each seed: rows that only one of them answers rightly, and McNemar's exact p-value."""
    rows = {}
    for baseline, distilled in zip(arms[BASELINE], arms[DISTILLED], strict=True):
        found = stats.mcnemar(baseline.predictions, distilled.predictions)
        rows[_seed(distilled)] = {
            "only baseline right": found.only_first,
            "only distilled right": found.only_second,
            "p": p_value(found.p),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index="seed")


def fidelity(arms: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """How far baseline and distilled student say what the teacher of that seed says, means over the seeds.

    ``agreement``: share of the same answers. ``where it errs``: the same on test rows that the teacher answers wrongly.
    ``divergence``: Kullback-Leibler divergence in nats of the student's probabilities from the teacher's. The training rows
    are the first items of the data, with which the students were trained.
    """
    return fidelity_by_run(arms).groupby("arm", sort=False).mean().rename_axis(index=None)


def fidelity_by_run(arms: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """The columns of :func:`fidelity` for each student, indexed by its ``arm``."""
    rows = [
        {"arm": arm} | _fidelity(teacher, student)
        for arm in (BASELINE, DISTILLED)
        for teacher, student in zip(teachers_of(arms), arms[arm], strict=True)
    ]
    return pd.DataFrame(rows).set_index("arm")


def _fidelity(teacher: Run, student: Run) -> dict[str, float]:
    said, learnt = _alike(teacher.predictions, student.predictions)
    same = said["prediction"] == learnt["prediction"]
    said_in_training, learnt_in_training = _alike(teacher.train_predictions, student.train_predictions)
    return {
        "agreement (test)": float(same.mean()),
        "where it errs": float(same[said["prediction"] != said["label"]].mean()),
        "divergence (test)": stats.divergence(probabilities(said), probabilities(learnt)),
        "agreement (train)": float((said_in_training["prediction"] == learnt_in_training["prediction"]).mean()),
        "divergence (train)": stats.divergence(probabilities(said_in_training), probabilities(learnt_in_training)),
    }


def _alike(*predictions: pd.DataFrame) -> list[pd.DataFrame]:
    """Predictions in the same order of rows, and with the same index."""
    ordered = [frame.sort_values(["id", "language"], ignore_index=True) for frame in predictions]
    if any(not frame[["id", "language"]].equals(ordered[0][["id", "language"]]) for frame in ordered):
        raise ValueError("the runs do not have the same rows")
    return ordered


def agreement_gain(arms: Mapping[str, Sequence[Run]]) -> stats.Estimate:
    """How much more often the distilled student than the baseline answers as the teacher does, on the test rows."""

    def judged(students: Sequence[Run]) -> list[pd.DataFrame]:
        """Predictions with the teacher's answer in the label's place."""
        return [
            student.predictions.drop(columns="label").merge(
                teacher.predictions[["id", "language", "prediction"]].rename(columns={"prediction": "label"}), on=["id", "language"]
            )
            for teacher, student in zip(teachers_of(arms), students, strict=True)
        ]

    return stats.difference(judged(arms[BASELINE]), judged(arms[DISTILLED]))


def calibration(arms: Mapping[str, Iterable[Run]]) -> pd.Series:
    """Expected calibration error of each arm on all test rows, the mean over its runs."""
    errors = {arm: [stats.calibration_error(*claims(run.predictions)) for run in runs] for arm, runs in arms.items()}
    return pd.Series({arm: sum(some) / len(some) for arm, some in errors.items()}, name="calibration error")


def scores(arms: Mapping[str, Iterable[Run]]) -> pd.DataFrame:
    """A row for each run and test set: ``arm``, ``seed``, ``test`` (a language or ``all``), ``accuracy``."""
    rows = [
        {"arm": arm, "seed": _seed(run), "test": test, "accuracy": value}
        for arm, runs in arms.items()
        for run in runs
        for test, value in accuracy(run.predictions).items()
    ]
    return pd.DataFrame(rows)


def by_run(runs: Iterable[Run]) -> pd.DataFrame:
    """Accuracy on each test set and times in seconds, a row for each run."""
    rows = {
        run.record["name"]: accuracy(run.predictions) | {FIT: run.record["fit_seconds"], PREDICT: run.record["predict_seconds"][ALL]}
        for run in runs
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def summary(arms: Mapping[str, Iterable[Run]]) -> pd.DataFrame:
    """A row for each arm: mean accuracy on each test set, mean seconds, millions of parameters, number of runs."""
    rows = {}
    for arm, some in arms.items():
        runs = list(some)
        sizes = runs[0].record["parameters"]
        rows[arm] = by_run(runs).mean().to_dict() | {
            TOTAL: sizes["total"] / 1e6,
            BACKBONE: sizes["backbone"] / 1e6,
            "runs": len(runs),
        }
    table = pd.DataFrame.from_dict(rows, orient="index").astype({"runs": int})
    return table.round(10)  # so that the last digit shown is the same wherever it is shown


def mean_accuracies(arms: Mapping[str, Sequence[Run]], test: str) -> dict[str, stats.Estimate]:
    """The mean accuracy of each arm on one test set, with its 95 % interval over seeds and items."""
    return {arm: stats.mean_accuracy(_on(test, runs)) for arm, runs in arms.items()}


def overview(arms: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """The table of :func:`summary` as text, a column for each arm, accuracies with their 95 % intervals over seeds and items."""
    means = summary(arms)
    table = means.astype(object)
    for test in tests_of(next(iter(arms.values()))[0]):
        found = mean_accuracies(arms, test)
        table[test] = [f"{means[test][arm]:.3f} [{max(one.low, 0):.3f}, {min(one.high, 1):.3f}]" for arm, one in found.items()]
    for column, form in FORMATS.items():
        table[column] = table[column].map(form.format)
    return table.T


def spread(arms: Mapping[str, Iterable[Run]]) -> pd.DataFrame:
    """Smallest and largest accuracy over the runs of each arm, by test set, as text."""
    grouped = scores(arms).groupby(["arm", "test"], sort=False)["accuracy"]
    text = grouped.min().map("{:.3f}".format) + " to " + grouped.max().map("{:.3f}".format)
    return text.unstack(sort=False).rename_axis(index=None, columns=None)


def settings_table(settings: Mapping[str, Any], heads: tuple[str, str] = ("setting", "value")) -> str:
    """Settings as a Markdown table."""
    rows = [f"| `{key}` | `{value}` |" for key, value in settings.items()]
    return "\n".join([f"| {heads[0]} | {heads[1]} |", "|---|---|", *rows])


def confusion(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Number of test rows by true class (rows) and predicted class (columns)."""
    labels = range(len(classes))
    table = pd.crosstab(predictions["label"], predictions["prediction"]).reindex(index=labels, columns=labels, fill_value=0)
    return table.set_axis(list(classes)).set_axis(list(classes), axis=1).rename_axis(index="label", columns="prediction")


def by_edit(arms: Mapping[str, Iterable[Run]], data: TextData) -> pd.DataFrame:
    """Mean accuracy of each arm by kind of edit, hardest for the last arm first; for the generated corpus only.

    The index holds label and edit, a column ``pairs`` the number of test pairs.
    """
    edits = data["test"][["id", "language", "edit"]]
    columns = {}
    for arm, runs in arms.items():
        joined = pd.concat([run.predictions.merge(edits, on=["id", "language"]) for run in runs])
        columns[arm] = (joined["prediction"] == joined["label"]).groupby([joined["label"], joined["edit"]]).mean()
    table = pd.DataFrame(columns)
    pairs = data["test"].groupby(["label", "edit"]).size()
    return table.assign(pairs=pairs).sort_values(list(columns)[-1])


def share_of_sure(predictions: pd.DataFrame, margins: tuple[float, ...] = (0.1, 0.05, 0.01)) -> pd.Series:
    """Share of rows for which the probability of the answer lies within each margin of 1."""
    distance = 1 - probabilities(predictions).max(axis=1)
    return pd.Series({f"within {margin}": float((distance <= margin).mean()) for margin in margins})


def answers(run: Run, data: TextData, rows: int = 2) -> pd.DataFrame:
    """The first test rows of each label and language with the run's answer to them: of two classes the probability of the second.

    Of more classes it is the class, and its probability.
    """
    table = data["test"].merge(_said(run, data), on=["id", "language"])
    first = table.groupby(["language", "label"], sort=False).head(rows)
    columns = [*texts(table), "label", *(column for column in ("answer", "probability") if column in table)]
    return first[columns].assign(label=first["label"].map(data.named())).reset_index(drop=True)


def _said(run: Run, data: TextData) -> pd.DataFrame:
    predictions = run.predictions
    named = predictions[["id", "language"]]
    if "probability" in predictions:
        return named.assign(probability=predictions["probability"])
    return named.assign(answer=predictions["prediction"].map(data.named()), probability=probabilities(predictions).max(axis=1))


def disagreements(arms: Mapping[str, Run], data: TextData, language: str) -> pd.DataFrame:
    """Test rows of one language on which the models differ: texts, the label, and what each model says.

    That is the probability of the second of two classes, and of more classes the answer.
    """
    tests = data.test_dfs[language]
    table = tests[["id", *texts(tests)]].assign(label=tests["label"].map(data.named()))
    votes = pd.DataFrame(index=table["id"])
    for arm, run in arms.items():
        own = run.predictions.query("language == @language").set_index("id")
        votes[arm] = own["prediction"]
        said = own["probability"] if "probability" in own else own["prediction"].map(data.named())
        table[arm] = said.reindex(table["id"]).to_numpy()
    return table[(votes.nunique(axis=1) > 1).to_numpy()].reset_index(drop=True)
