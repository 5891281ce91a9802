"""What the book states about AutoMM, the early tutorial and its own profiles is true of the installed release."""

import warnings

import pandas as pd
import pytest
import torch

from kdbook.settings import automm, profile
from kdbook.settings.arms import FLOORS
from kdbook.study.specs import expand

pytestmark = pytest.mark.training


def test_the_defaults_that_the_pages_name():
    named = {
        "optim.val_check_interval": 0.5,  # twice an epoch
        "optim.top_k": 3,
        "optim.top_k_average_method": "greedy_soup",
        "optim.patience": 10,
        "optim.max_epochs": 20,
        "env.precision": "16-mixed",
        "env.per_gpu_batch_size": 8,
        "model.hf_text.text_trivial_aug_maxscale": 0.1,
        "distiller.temperature": 5.0,
        "distiller.hard_label_weight": 0.1,
        "distiller.soft_label_weight": 1.0,
        "distiller.output_feature_loss_weight": 0.01,
        "distiller.rkd_angle_loss_weight": 0.0,
        "distiller.rkd_distance_loss_weight": 0.0,
    }
    assert {key: automm.defaults()[key] for key in named} == named
    assert len(automm.DISTILLER) == 11


def test_of_the_old_names_max_epochs_raises_a_key_error_and_the_learning_rate_works(tmp_path):
    from autogluon.multimodal.utils import get_config

    with warnings.catch_warnings(action="ignore"):
        config = get_config("binary", overrides={"optimization.learning_rate": 0.5})
        assert config.optim.lr == 0.5
        with pytest.raises(KeyError):
            get_config("binary", overrides={"optimization.max_epochs": 1})


def test_an_id_becomes_a_feature_only_if_the_models_are_not_named():
    from autogluon.multimodal.data import infer_column_types
    from autogluon.multimodal.data.infer_types import infer_output_shape  # noqa: F401
    from autogluon.multimodal.data.utils import init_df_preprocessor
    from autogluon.multimodal.models.utils import select_model
    from autogluon.multimodal.utils import get_config

    words = "a rather long sentence with many different words number"
    rows = pd.DataFrame(
        {"id": range(200), "text": [f"{words} {n}" for n in range(200)], "label": [0, 1] * 100}
    )
    types = infer_column_types(data=rows, label_columns="label", problem_type="binary", valid_data=rows)
    for overrides, fused in (({"model.names": ["hf_text"]}, False), ({}, True)):
        with warnings.catch_warnings(action="ignore"):
            config = get_config("binary", overrides=overrides)
            preprocessor = init_df_preprocessor(
                config=config,
                column_types=types,
                label_column="label",
                train_df_x=rows.drop(columns="label"),
                train_df_y=rows["label"],
            )
            names = select_model(config=config, df_preprocessor=preprocessor).model.names
        assert ("fusion_mlp" in names) is fused, names


def test_the_mean_squared_error_of_the_distiller_is_that_of_logits_divided_by_the_temperature():
    import inspect

    from autogluon.multimodal.optim.lit_distiller import DistillerLitModule

    source = inspect.getsource(DistillerLitModule._compute_soft_label_loss)
    assert source.count("/ self.temperature") == 2 and "**" not in source


def test_the_feature_map_of_the_distiller_is_affine_or_the_identity():
    import inspect

    from autogluon.multimodal.utils import distillation

    source = inspect.getsource(distillation)
    assert "nn.Linear" in source and "nn.Identity" in source and "bias=False" not in source
    assert torch.nn.Linear(2, 2).bias is not None


def test_augmentation_rounds_up_and_needs_ten_words():
    from nlpaug.augmenter.word import RandomWordAug

    augmenter = RandomWordAug(action="delete", aug_p=0.1)
    assert augmenter._generate_aug_cnt(13, augmenter.aug_min, augmenter.aug_max) == 2
    assert automm.defaults()["model.hf_text.text_aug_detect_length"] == 10


def test_the_longer_control_trains_all_its_epochs():
    """Early stopping would end it where it ends the baseline."""
    settings = {spec.arm: spec.hyperparameters for spec in expand(profile.load("embedded")).values()}
    longer, baseline = settings["longer"], settings["baseline"]
    assert longer["optim.max_epochs"] == 2 * baseline["optim.max_epochs"]
    assert longer["optim.patience"] >= longer["optim.max_epochs"]


def test_the_profiles_train_in_32_bits_without_augmentation_but_for_one_ablation():
    for name in profile.names():
        for spec in expand(profile.load(name)).values():
            if spec.arm in FLOORS:
                continue
            assert str(spec.hyperparameters["env.precision"]) == "32"
            is_augmented = spec.hyperparameters[automm.AUGMENTATION] > 0
            assert not is_augmented or (name.startswith("pawsx") and "augment" in spec.title.lower()), (
                spec.name
            )
