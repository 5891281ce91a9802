"""All runtimes compute the same student."""

import numpy as np
import pytest

from kdbook.export import latency, onnx_export
from kdbook.export.report import EAGER, RUNTIMES, TRACED
from kdbook.export.student import MODEL
from kdbook.training import timing

pytestmark = pytest.mark.training


def test_pytorch_and_the_export_predict_alike(smoke, tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "SECONDS", 0)
    run = smoke.get_or_train("transfer")
    folder = tmp_path / "student"
    onnx_export.export_student(run, folder, smoke.data, batches=[1])
    rows = smoke.data["test"].head(40)
    models = latency.runtimes(onnx_export.torch_network(run)[0], folder)
    exported = models[MODEL](*latency.columns_of(rows))
    for name in (EAGER, TRACED):
        np.testing.assert_allclose(models[name](*latency.columns_of(rows)), exported, atol=1e-4)
    measured = latency.measure(models, rows, sizes=[3])
    assert set(measured) == {3} and set(measured[3]) == set(RUNTIMES)
    assert all(milliseconds > 0 for milliseconds in measured[3].values())
