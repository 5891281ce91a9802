"""What a study gets to see of the data that its profile names."""

from kdbook import data, profile


def test_only_training_labels_are_noisy():
    settings = profile.load("smoke").data.model_copy(update={"train_items": 400, "train_label_noise": 0.25})
    pairs = data.load(settings)
    wrong = {split: (pairs[split]["label"] != pairs[split]["true_label"]).mean() for split in data.SPLITS}
    assert 0.15 < wrong["train"] < 0.35 and wrong["validation"] == wrong["test"] == 0
    assert f"{100 * wrong['train']:.1f} %" in data.describe_label_noise(pairs["train"])


def test_noise_enters_the_digest():
    settings = profile.load("smoke").data
    assert data.load(settings).digest() != data.load(settings.model_copy(update={"train_label_noise": 0.25})).digest()


def test_of_real_rows_nobody_knows_the_true_labels():
    rows = data.load(profile.load("smoke").data)["train"].drop(columns="true_label")
    assert "Nobody knows" in data.describe_label_noise(rows)
