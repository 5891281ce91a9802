"""AutoMM's settings, read from the configuration files of the installed AutoGluon without importing it.

Source: ``autogluon/multimodal/configs/*/default.yaml``.
"""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import JsonValue

if TYPE_CHECKING:
    pass

GROUPS = ("distiller", "env", "model", "optim")
DISTILLER_PREFIX = "distiller."  # how the keys of its settings begin
# Names before AutoGluon 1.3 and today's; source: ``utils/config.py``, ``make_overrides_backward_compatible``.
OLD_NAMES = {
    "optimization.learning_rate": "optim.lr",
    "optimization.efficient_finetune": "optim.peft",
    "optimization.loss_function": "optim.loss_func",
    "optimization.*": "optim.*",
    "env.num_workers_evaluation": "env.num_workers_inference",
    "env.eval_batch_size_ratio": "env.inference_batch_size_ratio",
}
AUGMENTATION = "model.hf_text.text_trivial_aug_maxscale"  # the largest share of words that it changes
MAX_TEXT_LEN = "model.hf_text.max_text_len"  # tokens of a row, marks included
PEFT = "optim.peft"  # which parameters a fit changes
NUM_GPUS = "env.num_gpus"  # AutoMM's default is all
POOLING = "model.hf_text.pooling_mode"
# What the settings of the distiller do; source: ``optim/lit_distiller.py`` and ``utils/distillation.py``.
DISTILLER = {
    "distiller.temperature": "divides all logits in the soft-label loss; AutoMM does not scale it by T²",
    "distiller.hard_label_weight": "weight of the cross-entropy with the labels",
    "distiller.soft_label_weight": "weight of the soft-label loss",
    "distiller.soft_label_loss_type": '"cross_entropy" or "mse"; if empty, cross-entropy for classes',
    "distiller.output_feature_loss_weight": "weight of the distance between both models' pooled features",
    "distiller.output_feature_loss_type": '"mse"; "cosine" raises a TypeError in the first step',
    "distiller.softmax_regression_weight": "weight of the loss of the teacher's head for the student",
    "distiller.softmax_regression_loss_type": '"mse" or "cross_entropy"',
    "distiller.rkd_distance_loss_weight": "weight of the relational loss on distances within a micro-batch",
    "distiller.rkd_angle_loss_weight": "weight of the relational loss on angles within a micro-batch",
    "distiller.matches": "meant for intermediate layers; any value stops the fit with a TypeError",
}
# AutoMM's defaults of the settings that this package reads, as on machines without AutoMM.
FALLBACKS: dict[str, JsonValue] = {
    MAX_TEXT_LEN: 512,
    AUGMENTATION: 0.1,
    "model.hf_text.insert_sep": True,
    "model.hf_text.stochastic_chunk": False,
    "optim.max_epochs": 20,
    "optim.check_val_every_n_epoch": 1,
    "optim.lr": 1e-4,
    "optim.end_lr": 0,
    "optim.lr_choice": "layerwise_decay",
    "optim.lr_schedule": "cosine_decay",
    "optim.warmup_steps": 0.1,
    "optim.loss_func": "auto",
    "optim.label_smoothing": 0,
    PEFT: None,
    "env.batch_size": 128,
    "env.per_gpu_batch_size": 8,
    "env.inference_batch_size_ratio": 4,
    "distiller.hard_label_weight": 0.1,
    "distiller.soft_label_weight": 1.0,
    "distiller.rkd_distance_loss_weight": 0.0,
    "distiller.rkd_angle_loss_weight": 0.0,
}

Settings = dict[str, JsonValue]


@cache
def defaults() -> Settings:
    """Every setting of a text model with AutoMM's default, by dotted key.

    Empty where AutoMM is not installed.
    """
    spec = find_spec("autogluon")
    roots = (
        [Path(root) / "multimodal" / "configs" for root in (spec.submodule_search_locations or [])]
        if spec
        else []
    )
    settings: Settings = {}
    for root in roots:
        for group in GROUPS:
            path = root / group / "default.yaml"
            if path.exists():
                settings |= flatten(yaml.safe_load(path.read_text("utf-8")))
    return {
        key: value
        for key, value in settings.items()
        if not key.startswith("model.") or key.startswith("model.hf_text.")
    }


def number(settings: Mapping[str, JsonValue], key: str) -> int:
    """The whole number that a setting has in a fit: its value, else AutoMM's default."""
    value = settings.get(key, defaults().get(key, FALLBACKS[key]))
    assert isinstance(value, int | float)
    return int(value)


def flatten(nested: Any, prefix: str = "") -> Settings:
    """Nested tables as one table with dotted keys.

    >>> flatten({"optim": {"lr": 0.1}})
    {'optim.lr': 0.1}

    Raises
    ------
    ValueError
        If ``nested`` is not a table, or sets something twice.
    """
    if not isinstance(nested, dict):
        raise ValueError("should be a table of settings")
    flat: Settings = {}
    for key, value in nested.items():
        if value == {}:
            raise ValueError(f"{prefix}{key} is an empty table")
        inner = flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        if twice := flat.keys() & inner.keys():
            raise ValueError(f"{min(twice)} is set twice")
        flat |= inner
    return flat


def advice(key: str, known: list[str]) -> str:
    """What to write instead of an unknown setting: its new name, or the settings of its group."""
    group, _, rest = key.partition(".")
    new_name = OLD_NAMES.get(key, f"optim.{rest}" if group == "optimization" else "")
    if new_name in known:
        return f"AutoMM renamed it: use {new_name}"
    siblings = sorted(name for name in known if name.startswith(f"{group}."))
    return f"Choose from: {', '.join(siblings or sorted({name.split('.')[0] + '.*' for name in known}))}"
