"""A kernel that dies before it begins is started again, and nothing else is hidden."""

import pytest
from nbformat.v4 import new_notebook

from kdbook.sphinx_ext import parallel


@pytest.mark.parametrize(("deaths", "message", "runs"), [(0, "", 1), (2, parallel.DIED_AT_START, 3)])
def test_what_ends_well(monkeypatch, deaths, message, runs):
    tried = []

    def execute(notebook, **settings):
        tried.append(settings)
        if len(tried) <= deaths:
            raise RuntimeError(f"{message} to kernel_info")
        return notebook

    monkeypatch.setattr(parallel, "execute", execute)
    assert parallel.execute_patiently(new_notebook(), cwd="here") == new_notebook()
    assert tried == [{"cwd": "here"}] * runs


@pytest.mark.parametrize(("message", "runs"), [(parallel.DIED_AT_START, parallel.STARTS), ("Kernel didn't respond", 1)])
def test_what_does_not(monkeypatch, message, runs):
    tried = []

    def execute(notebook, **settings):
        tried.append(settings)
        raise RuntimeError(message)

    monkeypatch.setattr(parallel, "execute", execute)
    with pytest.raises(RuntimeError, match=message):
        parallel.execute_patiently(new_notebook())
    assert len(tried) == runs
