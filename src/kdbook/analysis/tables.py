"""Tables as pages show them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from kdbook.analysis import bootstrap, estimates
from kdbook.analysis.comparisons import (
    compare_by_test,
    compare_zero_shot,
    language_groups,
)
from kdbook.analysis.estimates import Estimate, ThreeWayComparison
from kdbook.analysis.markup import code
from kdbook.analysis.metrics import score_by_language, training_seconds
from kdbook.analysis.predictions import in_languages, on_test, tests_of, with_class_names
from kdbook.data import TextData, texts
from kdbook.data.generated import corpus
from kdbook.settings import tuning
from kdbook.settings.arms import Metric
from kdbook.settings.data import ALL
from kdbook.store.run import Run, RunSpec
from kdbook.study.arms import Arms
from kdbook.study.study import Study

# A dollar in a table is a dollar, also in a notebook, whose viewer would look for mathematics in it.
pd.options.display.html.use_mathjax = False
pd.options.styler.html.mathjax = False

SWAPPED, OTHER_EDITS = "swapped words", "other edits"
FIT = "fit (s)"
TOTAL = "size (M)"
BACKBONE = "backbone (M)"
FORMATS = {FIT: "{:.1f}", TOTAL: "{:.2f}", BACKBONE: "{:.3f}"}


def styled(table: pd.DataFrame, precision: int = 3) -> Styler:
    """A table for a page, with readable numbers and without row numbers.

    Text is shown as it is: what looks like HTML in a sentence is escaped, which pandas would not do.
    """
    formats: Any = {column: FORMATS[column] for column in table.columns if column in FORMATS}
    style = table.style.format(formats, precision=precision, escape="html")
    style = style.format_index(precision=precision, escape="html", axis="index")
    style = style.format_index(precision=precision, escape="html", axis="columns")
    return style.hide() if isinstance(table.index, pd.RangeIndex) else style


def markdown_table(rows: Mapping[str, Any], heads: tuple[str, str] = ("setting", "value")) -> str:
    """Settings and their values as a Markdown table."""
    lines = [f"| {code(key)} | {code(str(value))} |" for key, value in rows.items()]
    return "\n".join([f"| {heads[0]} | {heads[1]} |", "|---|---|", *lines])


def metric_of(arms: Arms) -> Metric:
    """The metric of a study, from its runs."""
    return next(iter(arms.values()))[0].metric


def run_table(runs: Iterable[Run]) -> pd.DataFrame:
    """Score on each test set and seconds of the fit, a row per run; the head names the metric.

    Seconds are processor time if that is known of all these runs.
    """
    runs = list(runs)
    rows = {
        run.name: {**score_by_language(run), FIT: seconds}
        for run, seconds in zip(runs, training_seconds(runs), strict=True)
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns=runs[0].metric)


def summary_table(arms: Arms) -> pd.DataFrame:
    """A row per arm: mean score on each test set, mean seconds of a fit, millions of parameters, number of
    runs.
    """
    rows = {}
    for arm, runs in arms.items():
        parameters = runs[0].measurements.parameters
        rows[arm] = run_table(runs).mean().to_dict() | {
            TOTAL: parameters.total / 1e6,
            BACKBONE: parameters.backbone / 1e6,
            "runs": len(runs),
        }
    table = pd.DataFrame.from_dict(rows, orient="index").astype({"runs": int})
    table = table.rename_axis(columns=metric_of(arms))
    return table.round(10)  # so that the last digit is the same wherever it is shown


def overview_table(arms: Arms) -> pd.DataFrame:
    """The summary as text, a column per arm, scores with their 95% CI over seeds and items."""
    means = summary_table(arms)
    table = means.astype(object)
    for test in tests_of(next(iter(arms.values()))[0]):
        estimates_of = {arm: bootstrap.mean_score(on_test(test, runs)) for arm, runs in arms.items()}
        table[test] = [
            f"{means[test][arm]:.3f} [{max(each.low, 0):.3f}, {min(each.high, 1):.3f}]"
            for arm, each in estimates_of.items()
        ]
    for column, form in FORMATS.items():
        table[column] = table[column].map(form.format)
    return table.T


def comparison_table(comparisons: Mapping[str, ThreeWayComparison]) -> pd.DataFrame:
    """Values with their 95% confidence intervals as text, a row per test set; differences in points."""
    gains = {test: comparison.gain.p for test, comparison in comparisons.items() if test != ALL}
    adjusted = estimates.holm(gains)
    rows = {
        test: {
            "teacher − baseline": points(comparison.gap),
            "gain": points(comparison.gain),
            "p (Holm)": p_value(adjusted.get(test, comparison.gain.p)),
            "recovery": _share(comparison.recovery),
        }
        for test, comparison in comparisons.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def differences_table(differences: pd.DataFrame) -> pd.DataFrame:
    """The result of :func:`kdbook.analysis.comparisons.differences_between` for readers: differences in
    points.
    """
    rows = {
        name: {
            "difference": points(Estimate(row["value"], row["low"], row["high"], row["p"])),
            "p (Holm)": p_value(row["adjusted"]),
            "seeds": row["seeds"],
        }
        for name, row in differences.iterrows()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["difference", "p (Holm)", "seeds"])


def zero_shot_table(arms: Arms, study: Study) -> pd.DataFrame:
    """Mean scores of the arms, and the gain of distillation, on trained and on zero-shot languages."""
    groups = language_groups(study)
    rows: dict[str, dict[str, object]] = {}
    for group, comparison in compare_zero_shot(arms, study).items():
        languages = groups[group]
        means = {
            arm: 1 - pd.Series([rows["error"].mean() for rows in in_languages(languages, arms[arm])]).mean()
            for arm in arms.main
        }
        rows[group] = {"languages": ", ".join(languages), **means, "gain": points(comparison.gain)}
    return pd.DataFrame.from_dict(rows, orient="index")


def edit_table(arms: Arms, data: TextData) -> pd.DataFrame:
    """Mean accuracy of each arm by kind of edit, the hardest for the last main arm first.

    For the generated corpus only.

    The index contains label and edit, a column ``pairs`` the number of test pairs.
    """
    table = _accuracy_by(["label", "edit"], arms, data["test"])
    pairs = data["test"].groupby(["label", "edit"]).size()
    return table.assign(pairs=pairs).sort_values(list(arms.main)[-1])


def kind_table(arms: Arms, data: TextData) -> pd.DataFrame:
    """Mean accuracy of each arm by kind of pair; for the generated corpus only."""
    test = data["test"]
    return _accuracy_by(["kind"], arms, test.assign(kind=kinds_of(test))).T


def kinds_of(rows: pd.DataFrame) -> pd.Series:
    """The kind of each pair of the generated corpus: the same meaning, two words swapped, an edit that
    pretraining never saw, or another edit.
    """
    kinds = rows["edit"].map(lambda edit: SWAPPED if edit.startswith("swapped") else OTHER_EDITS)
    kinds = kinds.mask(rows["edit"] == corpus.OPPOSITE, "opposites")
    return kinds.where(rows["label"] == 0, "same meaning")


def _accuracy_by(columns: list[str], arms: Arms, test: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy of each arm, a column each, by some columns of the test rows."""
    groups = test[list(dict.fromkeys(["id", "language", "label", *columns]))]
    accuracies = {}
    for arm, runs in arms.items():
        rows = pd.concat([run.predictions.merge(groups, on=["id", "language", "label"]) for run in runs])
        correct = rows["prediction"] == rows["label"]
        accuracies[arm] = correct.groupby([rows[column] for column in columns]).mean()
    return pd.DataFrame(accuracies)


def tuning_table(profile: str) -> pd.DataFrame:
    """The best trial of each arm of a shipped profile, how many there were, and the worst accuracy."""
    results = tuning.trials(profile)
    rows = {}
    for arm in dict.fromkeys(trial.arm for trial in results):
        accuracies = [trial.accuracy for trial in results if trial.arm == arm]
        chosen = tuning.best(results, arm)
        rows[arm] = {
            "trials": len(accuracies),
            "learning rate": f"{chosen.learning_rate:g}",
            "batch": chosen.batch_size,
            "epochs": chosen.epochs,
            "accuracy": f"{chosen.accuracy:.3f}",
            "worst trial": f"{min(accuracies):.3f}",
        }
    columns = ["trials", "learning rate", "batch", "epochs", "accuracy", "worst trial"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def sample_predictions(run: Run, data: TextData, rows: int = 2) -> pd.DataFrame:
    """The first test rows of each label and language with the run's prediction.

    For two classes that is the probability of class 1, for more the predicted class and its probability.
    """
    table = data["test"].merge(with_class_names(run.predictions, data.class_names()), on=["id", "language"])
    first = table.groupby(["language", "label"], sort=False).head(rows)
    columns = [*texts(table), "label", *(name for name in ("predicted", "probability") if name in table)]
    return first[columns].assign(label=first["label"].map(data.class_names())).reset_index(drop=True)


def disagreement_table(runs: Mapping[str, Run], data: TextData, language: str) -> pd.DataFrame:
    """Test rows of one language on which models differ: texts, the label, and the prediction of each model.

    The prediction is the probability of class 1 of two classes, and of more classes the predicted one.
    """
    rows = data.test_dfs[language]
    table = rows[["id", *texts(rows)]].assign(label=rows["label"].map(data.class_names()))
    predicted = pd.DataFrame(index=table["id"])
    for arm, run in runs.items():
        own_rows = run.predictions[run.predictions["language"] == language]
        predicted[arm] = own_rows.set_index("id")["prediction"]
        named = with_class_names(own_rows, data.class_names()).set_index("id")
        shown = named["predicted"] if "predicted" in named else named["probability"]
        table[arm] = shown.reindex(table["id"]).to_numpy()
    differ = (predicted.nunique(axis=1) > 1).to_numpy()
    return table[differ].reset_index(drop=True)


def results(study: Study) -> dict[str, object]:
    """All finished runs of a study in plain types, and, if the main arms are complete, their comparison by
    test set.
    """
    completed = list(study.completed_runs())
    names = {spec.name for spec, _ in completed}
    incomplete_arms = {spec.arm for spec in study.specs.values() if spec.name not in names}
    comparisons = None
    main = study.profile.main_arms
    if not incomplete_arms & set(main):
        arms = Arms({arm: [run for spec, run in completed if spec.arm == arm] for arm in main})
        comparisons = {test: asdict(comparison) for test, comparison in compare_by_test(arms).items()}
    return {
        "profile": study.profile.name,
        "data": study.profile.data.source,
        "primary": study.profile.primary.model_dump(),
        "runs": [_result(spec, run) for spec, run in completed],
        "comparison": comparisons,
    }


def _result(spec: RunSpec, run: Run) -> dict[str, object]:
    measurements = run.measurements
    return {
        "name": spec.name,
        "arm": spec.arm,
        "seed": spec.seed,
        "scores": score_by_language(run),
        "fit_seconds": measurements.fit_seconds,
        "predict_seconds": measurements.predict_seconds[ALL],
        "parameters": measurements.parameters.total,
        "backbone_parameters": measurements.parameters.backbone,
        "key": run.key,
    }


def points(difference: Estimate) -> str:
    """A difference of scores with its interval, in points."""
    return f"{100 * difference.value:+.1f} [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"


def p_value(p: float) -> str:
    """A p-value as it is printed."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _share(estimate: Estimate | None) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]" if estimate else "undefined"
