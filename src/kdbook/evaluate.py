"""From stored predictions to tables. Nothing here needs a model."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from kdbook import stats
from kdbook.data import PairData
from kdbook.store import Record, Run
from kdbook.study import BASELINE, DISTILLED, TEACHER, RunSpec, Study

ALL = "all"
FIT, PREDICT, TOTAL, BACKBONE = "fit (s)", "predict (s)", "size (M)", "backbone (M)"

FORMATS = {FIT: "{:.1f}", PREDICT: "{:.2f}", TOTAL: "{:.2f}", BACKBONE: "{:.3f}"}


def accuracy(predictions: pd.DataFrame) -> dict[str, float]:
    """Share of right predictions in each language and in ``all`` rows together."""
    right = predictions["prediction"] == predictions["label"]
    by_language = right.groupby(predictions["language"], sort=False).mean()
    return {str(language): float(share) for language, share in by_language.items()} | {ALL: float(right.mean())}


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
    complete = not lacking & {TEACHER, BASELINE, DISTILLED}
    return {
        "profile": study.profile.name,
        "data": study.profile.data.source,
        "runs": [result(spec, run) for spec, run in finished],
        "comparison": {test: asdict(found) for test, found in comparison(arms).items()} if complete else None,
    }


def comparison(arms: Mapping[str, Iterable[Run]]) -> dict[str, stats.Comparison]:
    """Teacher, baseline and distilled student compared on each language and on ``all`` rows."""
    predictions = [[run.predictions for run in arms[arm]] for arm in (TEACHER, BASELINE, DISTILLED)]
    languages = list(predictions[0][0]["language"].drop_duplicates())
    tests = {language: [language] for language in languages} | {ALL: languages}

    def compared(chosen: list[str]) -> stats.Comparison:
        teachers, baselines, distilled = ([rows[rows["language"].isin(chosen)] for rows in runs] for runs in predictions)
        return stats.compare(teachers, baselines, distilled)

    return {test: compared(chosen) for test, chosen in tests.items()}


def comparison_table(found: Mapping[str, stats.Comparison]) -> pd.DataFrame:
    """Values with their 95 % intervals as text, a row for each test set; differences in points."""

    def points(estimate: stats.Estimate) -> str:
        return f"{100 * estimate.value:+.1f} [{100 * estimate.low:+.1f}, {100 * estimate.high:+.1f}]"

    def share(estimate: stats.Estimate | None) -> str:
        return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]" if estimate else "undefined"

    rows = {
        test: {"teacher − baseline": points(c.gap), "distilled − baseline": points(c.gain), "recovery": share(c.recovery)}
        for test, c in found.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def scores(arms: Mapping[str, Iterable[Run]]) -> pd.DataFrame:
    """A row for each run and test set: ``arm``, ``seed``, ``test`` (a language or ``all``), ``accuracy``."""
    rows = [
        {"arm": arm, "seed": run.record["identity"]["seed"], "test": test, "accuracy": value}
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
    return pd.DataFrame.from_dict(rows, orient="index").astype({"runs": int})


def spread(arms: Mapping[str, Iterable[Run]]) -> pd.DataFrame:
    """Smallest and largest accuracy over the runs of each arm, by test set, as text."""
    grouped = scores(arms).groupby(["arm", "test"], sort=False)["accuracy"]
    text = grouped.min().map("{:.3f}".format) + " to " + grouped.max().map("{:.3f}".format)
    return text.unstack(sort=False).rename_axis(index=None, columns=None)


def paired_differences(before: Iterable[Run], after: Iterable[Run]) -> pd.Series:
    """Accuracy on all test pairs of each run of ``after`` minus that of the run of ``before`` with the same seed."""
    first, second = (scores({"": runs}).query("test == @ALL").set_index("seed")["accuracy"] for runs in (before, after))
    return (second - first).dropna()


def settings_table(settings: Mapping[str, Any], heads: tuple[str, str] = ("setting", "value")) -> str:
    """Settings as a Markdown table."""
    rows = [f"| `{key}` | `{value}` |" for key, value in settings.items()]
    return "\n".join([f"| {heads[0]} | {heads[1]} |", "|---|---|", *rows])


def styled(table: pd.DataFrame) -> Styler:
    """A table for the page: accuracies with three digits, times and sizes as they are best read."""
    return table.style.format({column: FORMATS[column] for column in table.columns if column in FORMATS}, precision=3)


def confusion(predictions: pd.DataFrame) -> pd.DataFrame:
    """Number of test pairs by true label (rows) and predicted label (columns)."""
    return pd.crosstab(predictions["label"], predictions["prediction"]).reindex(index=[0, 1], columns=[0, 1], fill_value=0)


def by_edit(arms: Mapping[str, Iterable[Run]], data: PairData) -> pd.DataFrame:
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
    """Share of pairs whose probability lies within each margin of 0 or 1."""
    distance = predictions["probability"].where(predictions["probability"] < 0.5, 1 - predictions["probability"])
    return pd.Series({f"within {margin}": float((distance <= margin).mean()) for margin in margins})


def disagreements(arms: Mapping[str, Run], data: PairData, language: str) -> pd.DataFrame:
    """Test pairs of one language on which the models differ: both sentences, the label, each model's probability of 1."""
    table = data.test_dfs[language][["id", "sentence1", "sentence2", "label"]]
    for arm, run in arms.items():
        said = run.predictions.query("language == @language")[["id", "probability"]]
        table = table.merge(said.rename(columns={"probability": arm}), on="id")
    votes = table[list(arms)] > 0.5
    return table[votes.any(axis=1) & ~votes.all(axis=1)].reset_index(drop=True)
