"""The report of an export is true of its numbers."""

import pytest

from kdbook.analysis.estimates import Estimate
from kdbook.export.report import ExportReport


@pytest.mark.parametrize(
    ("low", "high", "claim"),
    [
        (-0.03, -0.01, "loses at most 3.0 points"),
        (0.01, 0.03, "loses at most 0.0 points"),
        (-0.01, 0.01, "loses at most 1.0 points"),
    ],
)
def test_what_an_export_changes(low, high, claim):
    change = Estimate((low + high) / 2, low, high, 0.5)
    figures = {"AutoMM": 4.0, "model.onnx": 2.0, "model_int8.onnx": 1.0}
    sizes = {name: int(size) for name, size in figures.items()}
    report = ExportReport(1000, 3, 1e-6, change, change, change, sizes, figures)
    assert "**997 of 1,000**" in report.parity() and claim in report.parity()
    assert "0.25 of the size" in report.speed() and "4.0 times as fast" in report.speed()
    assert report.table()["size (MB)"].tolist() == [4e-6, 2e-6, 1e-6]
