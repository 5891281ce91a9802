"""Write the results and the picture of ``README.md`` from the finished runs of the embedded profile: ``make readme``.

The results are kept in ``bench/results.json``, with the keys of their runs, so that a test can check whether they are those
of the code.
"""

import json
from pathlib import Path
from typing import Any

from kdbook import open_study
from kdbook.data import UNLABELLED
from kdbook.pages import figures, sentences, tables
from kdbook.pages.finding import finding
from kdbook.settings.arms import FLOORS, LINEAR, LINEAR_TAUGHT, MAIN_ARMS, PSEUDO_LABELS
from kdbook.stats import comparisons

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "bench" / "results.json"
PICTURE = ROOT / "book" / "_static" / "result.png"
PROFILE = "embedded"
BEGIN = "<!-- results: written by make readme -->\n"
END = "<!-- end of results -->"


def results() -> dict[str, object]:
    """What the README states, and the keys of the runs behind it."""
    study = open_study(PROFILE)
    arms = study.get_or_train_arms()
    means = tables.summary_table(arms)["all"]
    comparison = comparisons.compare_on(arms)
    assert comparison.recovery
    controls = comparisons.differences_between(arms, comparisons.control_pairs(study))
    data = study.data
    return {
        "profile": PROFILE,
        "finding": finding(arms, study),
        "confirmed": sentences.confirmed(study),
        "keys": {run.name: run.key for runs in arms.values() for run in runs},
        "test rows": len(data["test"]),
        "labelled rows": len(data["train"]),
        "unlabelled rows": len(data[UNLABELLED]),
        "accuracy": {arm: float(means[arm]) for arm in [*arms.main, *FLOORS, "all-labels"]},
        "runs": {arm: len(runs) for arm, runs in arms.items()},
        "distilled": _values(comparisons.difference_between(arms.baselines, arms["distilled"])),
        "transfer": _values(comparison.gain),
        "recovery": _values(comparison.recovery),
        "controls": {row["before"]: _values(row) for _, row in controls.iterrows()},
    }


def _values(estimate: Any) -> list[float]:
    return [float(getattr(estimate, name)) for name in ("value", "low", "high")]


def block(values: dict[str, Any]) -> str:
    """The paragraph of the README, from the results."""
    accuracy, runs = values["accuracy"], values["runs"]
    recovery = [f"{value:.2f}" for value in values["recovery"]]
    controls = ", ".join(f"{name} {_points(each)}" for name, each in values["controls"].items())
    return (
        f"{values['finding']}\n\n"
        f"In the `{values['profile']}` profile {values['labelled rows']:,} training rows have a label and "
        f"{values['unlabelled rows']:,} are used without theirs. Accuracy on {values['test rows']:,} test pairs, means over "
        f"{runs['teacher']} teachers and {runs['baseline']} students per arm: linear model (TF-IDF with logistic regression, on the "
        f"labelled rows) {accuracy[LINEAR]:.3f}, the same on the teachers' labels for all rows {accuracy[LINEAR_TAUGHT]:.3f}, teacher {accuracy['teacher']:.3f}, baseline "
        f"{accuracy['baseline']:.3f}, distilled on the labelled rows {accuracy['distilled']:.3f}, distilled on all rows "
        f"(*transfer*) {accuracy['transfer']:.3f}; a student with the true labels of all rows {accuracy['all-labels']:.3f} ({runs['all-labels']} runs).\n\n"
        f"In points, with 95% confidence intervals over seeds and items: distilled − baseline {_points(values['distilled'])}, "
        f"transfer − baseline {_points(values['transfer'])}, recovered share of the teachers' lead {recovery[0]} "
        f"[{recovery[1]}, {recovery[2]}]. Transfer minus its controls, {runs['longer']} seeds each: {controls}.\n\n"
        "Intervals are for these teachers and these training rows. The settings of the main arms, pseudo-labels, all-labels and robust "
        "are the best of equally many trials on rows that are in no split (`make tuning`); other arms have those of the arm that they "
        f"vary. {values['confirmed']} `make confirmation` repeats it.\n"
    )


def _points(values: list[float]) -> str:
    value, low, high = (f"{100 * value:+.1f}" for value in values)
    return f"{value} [{low}, {high}]"


def draw() -> None:
    """The picture of the README, which is the figure of the first page."""
    arms = open_study(PROFILE).get_or_train_arms(*MAIN_ARMS, PSEUDO_LABELS)
    figures.score_by_language(arms).savefig(PICTURE, dpi=110)


def main() -> None:
    draw()
    values = results()
    RESULTS.write_text(json.dumps(values, indent=1) + "\n", "utf-8")
    before, _, rest = README.read_text("utf-8").partition(BEGIN)
    README.write_text(f"{before}{BEGIN}{block(values)}{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
