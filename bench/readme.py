"""Write the results in ``README.md`` from the finished runs of the embedded profile: ``make readme``.

The results are kept in ``bench/results.json``, with the keys of their runs, so that a test can tell whether they are those
of the code.
"""

import json
from pathlib import Path

from kdbook import open_study
from kdbook.analysis import comparisons, tables
from kdbook.analysis.bootstrap import Estimate

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "bench" / "results.json"
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
    return {
        "profile": PROFILE,
        "keys": {run.name: run.key for runs in arms.values() for run in runs},
        "test rows": len(study.data["test"]),
        "accuracy": {arm: float(means[arm]) for arm in arms.main},
        "runs": {arm: len(runs) for arm, runs in arms.items()},
        "gain": _values(comparison.gain),
        "recovery": _values(comparison.recovery),
        "controls": {row["before"]: float(row["value"]) for _, row in controls.iterrows()},
        "noise": study.profile.data.train_label_noise,
    }


def _values(estimate: Estimate) -> list[float]:
    return [estimate.value, estimate.low, estimate.high]


def block(values: dict) -> str:
    """The paragraph of the README, from the results."""
    accuracy, runs = values["accuracy"], values["runs"]
    gain = [f"{100 * value:.1f}" for value in values["gain"]]
    recovery = [f"{value:.2f}" for value in values["recovery"]]
    names = {
        "longer": "longer fine-tuning",
        "label-smoothing": "label smoothing",
        "shuffled": "shuffled teacher outputs",
    }
    controls = ", ".join(
        f"{100 * value:+.1f} points ({names[name]})" for name, value in values["controls"].items()
    )
    return (
        f"The `{values['profile']}` profile reaches these accuracies on {values['test rows']:,} test pairs: teachers "
        f"{accuracy['teacher']:.3f}, baseline students {accuracy['baseline']:.3f}, distilled students "
        f"{accuracy['distilled']:.3f} (means over {runs['teacher']} and {runs['baseline']} seeds).\n"
        f"Distilled minus baseline: {gain[0]} points (95 % interval {gain[1]} to {gain[2]} over seeds and items); "
        f"recovered share of the teachers' lead: {recovery[0]} ({recovery[1]} to {recovery[2]}).\n"
        f"Distilled minus its controls, {runs['longer']} seeds each: {controls}.\n"
        f"About {100 * values['noise']:.0f} % of the generated training labels are flipped on purpose; a gain in this "
        "study comes from correcting them.\n"
    )


def main() -> None:
    values = results()
    RESULTS.write_text(json.dumps(values, indent=1) + "\n", "utf-8")
    before, _, rest = README.read_text("utf-8").partition(BEGIN)
    README.write_text(f"{before}{BEGIN}{block(values)}{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
