"""What a study gets to see of the data that its profile names."""

import shutil

from changes import write_rows

from kdbook import data
from kdbook.settings import profile
from kdbook.settings.data import Data


def test_only_training_labels_are_noisy():
    settings = profile.load("smoke").data.model_copy(update={"train_items": 400, "train_label_noise": 0.25})
    pairs = data.load(settings)
    wrong = {split: (pairs[split]["label"] != pairs[split]["true_label"]).mean() for split in data.SPLITS}
    assert 0.15 < wrong["train"] < 0.35 and wrong["validation"] == wrong["test"] == 0


def test_noise_enters_the_digest():
    settings = profile.load("smoke").data
    assert (
        data.load(settings).digest()
        != data.load(settings.model_copy(update={"train_label_noise": 0.25})).digest()
    )


def test_models_learn_from_the_languages_to_train_on_and_are_tested_in_all(tmp_path):
    seven = profile.load("pawsx-zero-shot").data.languages
    write_rows(tmp_path)
    for language in seven[2:]:
        shutil.copytree(tmp_path / "de", tmp_path / language)
    pairs = data.load(Data(source=str(tmp_path), languages=seven, train_languages=("en", "fr")))
    assert set(pairs["train"]["language"]) == set(pairs["validation"]["language"]) == {"en", "fr"}
    assert list(pairs.sizes().index) == [*seven, "all"] and set(pairs["test"]["language"]) == set(seven)
    assert pairs.sizes().loc["ko", "train"] == 0 and pairs.sizes().loc["ko", "test"] > 0
    assert set(pairs.examples("train", label=1)["language"]) == {"en", "fr"}


def test_without_languages_to_train_on_all_are():
    settings = profile.load("smoke").data
    both = settings.model_copy(update={"train_languages": settings.languages})
    assert settings.languages_without_labels == both.languages_without_labels == ()
    assert data.load(settings).digest() == data.load(both).digest()
