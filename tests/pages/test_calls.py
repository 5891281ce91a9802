"""The calls on the pages are those that made the runs."""

import sys
from types import ModuleType

import numpy as np
import pytest

from kdbook.encoders import checkpoints
from kdbook.pages import calls
from kdbook.settings import profile
from kdbook.stats.predictions import probabilities
from kdbook.store.local import Store
from kdbook.study.study import Study


def code_of(study: Study, name: str) -> str:
    fence, *lines, last = calls.call(study, name).splitlines()
    assert fence == "```python" and last == "```"
    return "\n".join(lines)


@pytest.mark.training
def test_stock_automm_gives_the_results_of_the_runs(smoke_store, tmp_path, monkeypatch):
    """Run as they stand on the page, without anything of this package but the rows and the checkpoints."""
    from kdbook.training.fit import using_threads

    study = Study(profile.load("smoke"), Store(smoke_store))
    monkeypatch.chdir(tmp_path)
    for name in ("teacher-0", "baseline-0", "distilled-0", "transfer-0"):
        variables = {"study": study}
        with using_threads(study.profile.threads):
            exec(code_of(study, name), variables)
        rows = study.data["test"]
        predicted = variables["predictor"].predict_proba(rows[variables["columns"][:-1]], as_pandas=False)
        stored = study.get_or_train(name).predictions
        stored = rows[["id", "language"]].merge(stored, on=["id", "language"])
        np.testing.assert_allclose(predicted, probabilities(stored), atol=1e-4)


def test_a_call_has_the_settings_of_its_run(tmp_path):
    study = Study(profile.load("embedded"), Store(tmp_path))
    for name, spec in study.specs.items():
        code = code_of(study, name)
        compile(code, name, "exec")
        for key in spec.hyperparameters:
            assert f'"{key}": ' in code
        assert f"seed={spec.seed}" in code
        assert ("teacher_predictor" in code) == (spec.lesson in ("outputs", "shuffled"))


class Recorder:
    """A predictor that records how it is made and fitted."""

    def __init__(self, **made):
        self.made = made

    def fit(self, **fitted):
        self.fitted = fitted

    @classmethod
    def load(cls, path):
        return cls(path=path)

    def predict(self, rows, as_pandas):
        return np.zeros(len(rows), int)


@pytest.mark.parametrize("name", ["teacher-1", "baseline-2", "distilled-3", "transfer-4", "all-labels-0"])
def test_a_call_executed_as_it_stands_gives_the_key_of_its_run(tmp_path, monkeypatch, name):
    """The key of a run whose settings, seed, rows, teacher and metric are those that AutoMM is given."""
    library = ModuleType("autogluon.multimodal")
    library.MultiModalPredictor = Recorder
    monkeypatch.setitem(sys.modules, "autogluon.multimodal", library)
    study = Study(profile.load("embedded"), Store(tmp_path))
    spec = study.specs[name]
    variables = {"study": study}
    exec(code_of(study, name), variables)
    made, fitted = variables["predictor"].made, variables["predictor"].fitted
    settings = dict(fitted["hyperparameters"])
    assert settings.pop("model.names") == ["hf_text"]
    assert settings.pop("model.hf_text.checkpoint_name") == str(checkpoints.locate(spec.checkpoint).path)
    labelled = len(study.data["train"])
    given = {
        "hyperparameters": settings,
        "seed": fitted["seed"],
        "teacher": fitted.get("teacher_predictor"),
        "rows": "all" if len(fitted["train_data"]) > labelled else "labelled",
        "metric": made["eval_metric"],
    }
    again = Study(study.profile, study.store)
    again.specs[name] = spec.model_copy(update=given)
    assert again.resolve(again.specs[name]).key == study.resolve(spec).key
    given["hyperparameters"] = settings | {"optim.lr": 0.5}
    other = Study(study.profile, study.store)
    other.specs[name] = spec.model_copy(update=given)
    assert other.resolve(other.specs[name]).key != study.resolve(spec).key
