"""What the pages state about the kept results follows from their predictions by other means as well."""

import numpy as np
import pytest
import second_implementation as second
from helpers import ROOT, bench_module

from kdbook.settings import profile
from kdbook.stats import comparisons, estimates
from kdbook.study import kept

STUDIES = bench_module("massive").PROFILES
TESTS = ("en", "de", "all")
OTHERS = ("baseline", "distilled", "pseudo-labels", "linear-taught", "all-labels")
MARGIN = 0.02
COLUMNS = ("id", "language", "label", "prediction")
pytestmark = pytest.mark.training  # thousands of rows and bootstraps


@pytest.fixture(scope="module", params=STUDIES)
def arms(request):
    assert (ROOT / kept.FOLDER / f"{request.param}.parquet").is_file()
    return kept.read(request.param).arms


def rows(run, test: str) -> dict[str, np.ndarray]:
    frame = run.predictions
    frame = frame if test == "all" else frame[frame["language"] == test]
    return {name: frame[name].to_numpy() for name in COLUMNS}


def tables(arms, test: str, names, seeds) -> dict[str, np.ndarray]:
    return {name: second.table([rows(arms.by_seed(name)[seed], test) for seed in seeds]) for name in names}


def seeds_of(arms, names) -> list[str]:
    return [seed for seed in arms.by_seed(names[0]) if all(seed in arms.by_seed(name) for name in names)]


def assert_alike(estimate, found) -> None:
    """The same value, and ends that a bootstrap of ten thousand and its corrections may move a little.

    With three seeds they move more: the bootstrap's share of the seeds has two degrees of freedom, whatever the items'.
    """
    assert estimate.value == pytest.approx(found.value, abs=1e-9)
    low, high = found.interval
    allowed = (0.2 if estimate.seeds > 3 else 0.5) * (high - low) / 2 + 0.001
    assert abs(estimate.low - low) <= allowed and abs(estimate.high - high) <= allowed


@pytest.mark.parametrize("test", TESTS)
def test_each_difference_has_the_same_value_and_nearly_the_same_interval(arms, test):
    for other in OTHERS:
        names = (other, "transfer")
        both = tables(arms, test, names, seeds_of(arms, names))
        expected = second.difference(both[other], both["transfer"])
        assert_alike(comparisons.difference_between(arms[other], arms["transfer"], test), expected)


@pytest.mark.parametrize("test", TESTS)
def test_the_verdicts_of_a_table_are_the_same(arms, test):
    pairs = [(other, "transfer") for other in OTHERS]
    seeds = seeds_of(arms, [*OTHERS, "transfer"])
    found = second.differences(tables(arms, test, [*OTHERS, "transfer"], seeds), pairs)
    table = comparisons.differences_between(arms, pairs, test, MARGIN)
    verdicts = [
        estimates.shown(row["low"], row["high"], row["adjusted"], row["adjusted_margin"]).name.lower()
        for _, row in table.iterrows()
    ]
    assert verdicts == second.shown(list(found.values()), MARGIN)
    for (_, row), expected in zip(table.iterrows(), found.values(), strict=True):
        assert_alike(row, expected)


def test_the_primary_difference_is_the_same(arms, request):
    question = profile.load(request.node.callspec.params["arms"]).primary
    names = (question.against, question.arm)
    both = tables(arms, question.test, names, seeds_of(arms, names))
    assert_alike(comparisons.primary_difference(arms, question), second.difference(*both.values()))


def corrupted(kind: str, runs: list[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    copies = [{name: values.copy() for name, values in run.items()} for run in runs]
    first, wrong = copies[0], np.flatnonzero(copies[0]["label"] != copies[0]["prediction"])
    match kind:
        case "a prediction":
            first["prediction"][wrong[0]] = first["label"][wrong[0]]
        case "a label of one run":
            first["label"][5] = (first["label"][5] + 1) % 60
        case "a label of all runs":
            for run in copies:
                run["label"][5] = (run["label"][5] + 1) % 60
        case "a row that is missing":
            copies[0] = {name: values[1:] for name, values in first.items()}
        case "a row that occurs twice":
            copies = [{name: np.append(values, values[:1]) for name, values in run.items()} for run in copies]
        case "the language of a row":
            first["language"][7] = "de" if first["language"][7] == "en" else "en"
        case "the id of a row":
            first["id"][3] = first["id"][4]
        case "predictions of another order":
            first["prediction"] = first["prediction"][::-1].copy()
        case "predictions one class too high":
            first["prediction"] += 1
        case "a run of another arm":
            copies[0] = {**first, "prediction": first["label"].copy()}
    return copies


@pytest.mark.parametrize(
    "kind",
    [
        "a prediction",
        "a label of one run",
        "a label of all runs",
        "a row that is missing",
        "a row that occurs twice",
        "the language of a row",
        "the id of a row",
        "predictions of another order",
        "predictions one class too high",
        "a run of another arm",
    ],
)
def test_predictions_that_are_not_the_published_ones_are_found(arms, kind):
    stated = comparisons.difference_between(arms["baseline"], arms["transfer"]).value
    seeds = seeds_of(arms, ("baseline", "transfer"))
    baseline = tables(arms, "all", ["baseline"], seeds)["baseline"]
    transfer = [rows(arms.by_seed("transfer")[seed], "all") for seed in seeds]
    assert second.difference(baseline, second.table(transfer)).value == pytest.approx(stated, abs=1e-9)
    try:
        like = rows(arms["baseline"][0], "all")
        value = second.difference(baseline, second.table(corrupted(kind, transfer), like)).value
    except ValueError:
        return
    assert abs(value - stated) > 1e-6
