"""AutoMM releases whose inside is unknown are refused, and a run takes one GPU."""

import pytest

from kdbook.errors import KdbookError
from kdbook.training import automm


@pytest.mark.parametrize("version", ["1.6.0", "1.6.3"])
def test_known_releases_of_automm_are_accepted(version):
    automm.check_version(version)


@pytest.mark.parametrize("version", ["1.5.0", "1.7.0"])
def test_other_releases_of_automm_are_refused(version):
    with pytest.raises(KdbookError, match=f"AutoMM {version} is not supported"):
        automm.check_version(version)


def test_the_installed_release_is_known():
    automm.check_version()


@pytest.mark.parametrize(
    ("count", "settings", "expected"),
    [(0, {}, {}), (1, {}, {}), (2, {}, {"env.num_gpus": 1}), (2, {"env.num_gpus": 0}, {"env.num_gpus": 0})],
)
def test_a_run_takes_one_gpu_of_several(monkeypatch, count, settings, expected):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert automm.on_one_gpu(settings) == expected
