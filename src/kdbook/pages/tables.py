"""Tables as pages show them."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from kdbook.settings.arms import Metric
from kdbook.stats import bootstrap
from kdbook.stats.estimates import Estimate
from kdbook.stats.metrics import score_by_language, training_seconds
from kdbook.stats.predictions import on_test, tests_of
from kdbook.store.run import Run
from kdbook.study.arms import Arms

# A dollar in a table is a dollar, also in a notebook, whose viewer would look for mathematics in it.
pd.options.display.html.use_mathjax = False
pd.options.styler.html.mathjax = False

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
        table[test] = [with_interval(bootstrap.mean_score(on_test(test, runs))) for runs in arms.values()]
    for column, form in FORMATS.items():
        table[column] = table[column].map(form.format)
    return table.T


def points(difference: Estimate) -> str:
    """A difference of scores with its interval, in points."""
    return f"{100 * difference.value:+.1f} [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"


def with_interval(estimate: Estimate | None, digits: int = 3) -> str:
    """A value with its interval."""
    if estimate is None:
        return "undefined"
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def p_value(p: float) -> str:
    """A p-value as it is printed."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
