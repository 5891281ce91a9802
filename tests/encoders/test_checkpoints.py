"""The shipped encoders load like any checkpoint, and what is no checkpoint is refused in one line."""

import shutil

import pytest

from kdbook.encoders import checkpoints
from kdbook.errors import KdbookError

LIMIT = 15_000_000  # bytes of all shipped weights together


@pytest.mark.training
@pytest.mark.parametrize("name", ["teacher", "student"])
def test_shipped_encoders_load_with_the_auto_classes(name):
    from transformers import AutoModel, AutoTokenizer

    checkpoint = checkpoints.locate(f"embedded:{name}")
    tokenizer, model = (
        AutoTokenizer.from_pretrained(checkpoint.path),
        AutoModel.from_pretrained(checkpoint.path),
    )
    assert model.config.vocab_size == len(tokenizer)
    assert model.config.model_type == {"teacher": "deberta-v2", "student": "xlm-roberta"}[name]
    sentence = "Anna taught Peter in Vienna in 1987."
    assert tokenizer.unk_token_id not in tokenizer(sentence)["input_ids"]
    assert len(tokenizer.tokenize(sentence)) == 8  # frequent words stay whole
    assert tokenizer.unk_token not in tokenizer.tokenize(
        "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich, 1933!"
    )


def test_teacher_backbone_is_much_larger():
    from transformers import AutoModel

    sizes = {}
    for name in ("teacher", "student"):
        model = AutoModel.from_pretrained(checkpoints.locate(f"embedded:{name}").path)
        sizes[name] = sum(
            weight.numel() for part, weight in model.named_parameters() if "embeddings." not in part
        )
    assert sizes["teacher"] >= 7 * sizes["student"]


def test_shipped_weights_are_small():
    folder = checkpoints.locate("embedded:teacher").path.parent
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= LIMIT


def test_identity_is_the_content(tmp_path):
    original = checkpoints.locate("embedded:student")
    copy = tmp_path / "copy"
    shutil.copytree(original.path, copy)
    assert checkpoints.locate(str(copy)).identity == original.identity
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    assert checkpoints.locate(str(copy)).identity != original.identity


def test_a_directory_without_tokenizer_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(KdbookError, match="tokenizer_config.json"):
        checkpoints.locate(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"auto_map": {"AutoModel": "evil.Model"}}', "ships code"),
        ("[]", "ships code"),
        ("{", "can't be read"),
    ],
)
@pytest.mark.parametrize("file", checkpoints.NEEDED)
def test_a_checkpoint_that_brings_code_is_refused(tmp_path, file, content, message):
    for name in checkpoints.NEEDED:
        (tmp_path / name).write_text("{}")
    (tmp_path / file).write_text(content)
    with pytest.raises(KdbookError, match=message):
        checkpoints.locate(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "message"), [("embedded:nope", "embedded:student"), ("./nowhere", "does not exist")]
)
def test_unknown_checkpoints(name, message):
    with pytest.raises(KdbookError, match=message):
        checkpoints.locate(name)
