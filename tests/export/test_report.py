"""The report of an export is true of its numbers."""

import pytest

from kdbook.export.report import AUTOMM, EAGER, TRACED, ExportReport
from kdbook.export.student import MODEL, QUANTIZED
from kdbook.stats.estimates import Estimate


@pytest.mark.parametrize(
    ("low", "high", "claim"),
    [
        (-0.03, -0.01, "**-2.0 points** (95% CI -3.0 to -1.0, over items)"),
        (0.01, 0.03, "**+2.0 points** (95% CI +1.0 to +3.0, over items)"),
    ],
)
def test_what_an_export_changes(low, high, claim):
    change = Estimate((low + high) / 2, low, high, 0.5)
    report = made(change)
    assert "**997 of 1,000**" in report.parity() and claim in report.parity()
    assert report.table()["size (MB)"].tolist() == [4, 2, 1]


def made(change: Estimate, rounded: float = 0.5, many_rounded: float = 1.0) -> ExportReport:
    sizes = {AUTOMM: 4_000_000, MODEL: 2_000_000, QUANTIZED: 1_000_000}
    one_core = {
        1: {EAGER: 4.0, TRACED: 2.0, MODEL: 1.0, QUANTIZED: rounded},
        32: {EAGER: 40.0, TRACED: 20.0, MODEL: 10.0, QUANTIZED: 10 * many_rounded},
    }
    return ExportReport(1000, 3, 1e-6, change, change, change, sizes, one_core)


@pytest.mark.parametrize(
    ("rounded", "many_rounded", "advice"),
    [
        (0.5, 0.8, "save space and time"),
        (1.0, 0.9, "save space and time"),
        (1.0, 1.2, "save space and no time"),
        (1.0, 1.0, "save space and no time"),
        (0.8, 1.2, "depends on the number of rows"),
    ],
)
def test_the_recommended_form_is_the_faster_one(rounded, many_rounded, advice):
    report = made(Estimate(0, 0, 0, 1), rounded, many_rounded)
    assert advice in report.speed() and "0.50 of the size" in report.speed()
    best = min(1, rounded) / 2, min(1, many_rounded) / 2
    assert f"takes {best[0]:.2f} (1 row) and {best[1]:.2f} (32 rows) of the time" in report.speed()


def test_latencies_have_a_column_for_each_number_of_rows():
    table = made(Estimate(0, 0, 0, 1)).latency_table()
    assert list(table.columns) == ["1 row", "32 rows"]
    assert table["32 rows"].tolist() == [40, 20, 10, 10]
