"""The results in the README are those of the code, as ``make readme`` writes them."""

import json

import pytest
from helpers import bench_module

from kdbook.settings import profile
from kdbook.store.local import Store
from kdbook.study.study import Study

readme = bench_module("readme")
RESULTS = json.loads(readme.RESULTS.read_text("utf-8"))


def test_the_readme_states_the_results():
    text = readme.README.read_text("utf-8")
    assert text.partition(readme.BEGIN)[2].partition(readme.END)[0] == readme.block(RESULTS)


@pytest.mark.training
def test_the_results_are_those_of_this_code(tmp_path):
    """Keys need no training: they are hashes of settings, rows, checkpoints and code."""
    study = Study(profile.load(RESULTS["profile"]), Store(tmp_path))
    keys = {run.spec.name: run.key for run in study.resolved_runs()}
    assert keys == RESULTS["keys"], "train the embedded profile, and run: make readme"
