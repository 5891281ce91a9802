"""The encoders that ship packed: unpacked once, found whole again, and made anew where they are not."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from kdbook.encoders import checkpoints, packed

SMALLEST = "e5-3"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    packed._for_this_process.cache_clear()
    return tmp_path / "cache" / "kdbook" / "encoders"


def content(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.mark.parametrize("name", packed.NAMES)
def test_an_encoder_has_the_layers_that_it_names(name):
    path = checkpoints.locate(f"embedded:{name}").path
    layers = json.loads((path / "config.json").read_text())["num_hidden_layers"]
    with safe_open(path / "model.safetensors", "np") as file:
        numbers = {int(key.split(".")[2]) for key in file.keys() if key.startswith("encoder.layer.")}  # noqa: SIM118
        words = file.get_tensor(packed.WORDS)
    assert numbers == set(range(layers)) and layers == packed.LAYERS.get(name, 2)
    assert np.isfinite(words).all() and len(words) == 36_000


def test_it_is_unpacked_once(cache):
    first = packed.unpacked(SMALLEST)
    before = (first / "model.safetensors").stat().st_mtime_ns
    assert first.parent == cache and packed.unpacked(SMALLEST) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == before
    assert [path.name for path in cache.iterdir()] == [first.name]


@pytest.mark.parametrize("file", [packed.WEIGHTS, packed.CONFIG, *packed.TOKENIZER, packed.HASHES])
@pytest.mark.parametrize("harm", ["missing", "cut", "changed", "a folder"])
def test_a_damaged_file_is_made_anew(file, harm):
    path = packed.unpacked(SMALLEST)
    whole = content(path)
    damaged = path / file
    if harm == "cut":
        damaged.write_bytes(whole[file][:-1])
    elif harm == "changed":
        damaged.write_bytes(bytes([whole[file][0] ^ 1]) + whole[file][1:])
    else:
        damaged.unlink()
        if harm == "a folder":
            damaged.mkdir()
    assert content(packed.unpacked(SMALLEST)) == whole


@pytest.mark.parametrize("obstacle", ["a file", "closed"])
def test_without_a_cache_it_is_unpacked_for_this_process(obstacle, cache, monkeypatch):
    if obstacle == "a file":
        cache.parent.parent.write_text("")
    else:
        cache.mkdir(parents=True)
        monkeypatch.setattr(packed, "atomic", _refuse_in(cache))
    path = packed.unpacked(SMALLEST)
    assert cache not in path.parents and (path / packed.WEIGHTS).is_file()
    assert packed.unpacked(SMALLEST) == path


def _refuse_in(folder: Path):
    atomic = packed.atomic

    def refuse(path: Path):
        if folder in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return atomic(path)

    return refuse


def test_nothing_of_others_in_the_cache_is_touched(cache):
    cache.mkdir(parents=True)
    (cache / "e5-3").mkdir()
    (cache / "e5-3" / "theirs").write_text("kept")
    path = packed.unpacked(SMALLEST)
    (path / "theirs").write_text("kept")
    (path / packed.WEIGHTS).write_bytes(b"damaged")
    assert packed.unpacked(SMALLEST) == path and packed._is_whole(path)
    assert (path / "theirs").read_text() == (cache / "e5-3" / "theirs").read_text() == "kept"


def test_blocks_are_signed_numbers_of_four_bits():
    """The first sixteen numbers are in the lower halves of the bytes."""
    numbers = np.arange(32) % 16
    weights = (numbers[:16] | numbers[16:] << 4).astype(np.uint8)
    found = packed.blocks(weights[None, None], np.array([[0.5]], np.float16))
    np.testing.assert_array_equal(found, (numbers - 8)[None] * 0.5)


def test_identities_differ_and_need_no_unpacking(cache):
    assert len({packed.identity(name) for name in packed.NAMES}) == len(packed.NAMES)
    assert not cache.exists()
