"""Every page says where its numbers come from."""

import subprocess
from html import unescape

import numpy as np
from runs import HARDWARE, make_run, make_spec, simulated

from kdbook.pages import provenance
from kdbook.settings import profile
from kdbook.store.local import Store
from kdbook.study.study import Study


def run(folder, name, **hardware):
    spec = make_spec(name, hyperparameters={"optim.lr": 0.1})
    machine = HARDWARE.model_copy(update=hardware)
    frame = simulated(np.random.default_rng(0), 0.7)
    return make_run(folder, name, frame, spec=spec, hardware=machine, interruptions=1)


def test_the_box_names_what_the_page_depends_on(tmp_path):
    some = Study(profile.load("smoke"), Store(tmp_path))
    said = provenance.executed_on(some)
    assert "<dd>smoke</dd>" in said and some.data_digest("all")[:12] in said and "torch" in said


def test_machines_are_counted(tmp_path):
    runs = [
        run(tmp_path, "baseline-0"),
        run(tmp_path, "baseline-1"),
        run(tmp_path, "baseline-2", gpu="NVIDIA H100"),
    ]
    said = unescape(provenance.machines(runs))
    assert (
        "- 2 of 3 runs: x86_64, 1 of 2 cores, Linux" in said and "- 1 of 3 runs: NVIDIA H100, Linux" in said
    )


def test_an_environment_within_a_repository_is_not_of_its_commit(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(
        ["git", "-C", tmp_path, *identity, "commit", "--quiet", "--allow-empty", "-m", "x"], check=True
    )
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert "not known" in provenance.executed_on(Study(profile.load("smoke"), Store(tmp_path)))


def test_without_git_the_commit_is_not_known(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "kdbook" / "provenance.py"))
    assert "not known" in provenance.executed_on(Study(profile.load("smoke"), Store(tmp_path)))
