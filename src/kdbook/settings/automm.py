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

from kdbook.errors import KdbookError

if TYPE_CHECKING:
    import pandas as pd

GROUPS = ("distiller", "env", "model", "optim")
DISTILLER_PREFIX = "distiller."  # how the keys of its settings begin
# Names before AutoGluon 1.2 and today's; source: ``utils/config.py``, ``make_overrides_backward_compatible``.
OLD_NAMES = {
    "optimization.learning_rate": "optim.lr",
    "optimization.efficient_finetune": "optim.peft",
    "optimization.loss_function": "optim.loss_func",
    "optimization.*": "optim.*",
    "env.num_workers_evaluation": "env.num_workers_inference",
    "env.eval_batch_size_ratio": "env.inference_batch_size_ratio",
}
MAX_TEXT_LEN = "model.hf_text.max_text_len"  # tokens of a row, marks included
PEFT = "optim.peft"  # which parameters a fit changes
NUM_GPUS = "env.num_gpus"  # AutoMM's default is all
POOLING = "model.hf_text.pooling_mode"
# What the settings of the distiller do; source: ``optim/lit_distiller.py`` and ``utils/distillation.py``.
DISTILLER = {
    "distiller.temperature": "divides all logits in the soft-label loss; AutoMM does not scale it by T²",
    "distiller.hard_label_weight": "weight of the cross-entropy with the labels",
    "distiller.soft_label_weight": "weight of the loss against the teacher's softened probabilities",
    "distiller.soft_label_loss_type": '"cross_entropy" or "mse"; if empty, cross-entropy for classes',
    "distiller.output_feature_loss_weight": "weight of the distance between both models' pooled features",
    "distiller.output_feature_loss_type": '"mse"; "cosine" raises a TypeError in the first step',
    "distiller.softmax_regression_weight": "weight of the loss between the teacher's logits for both",
    "distiller.softmax_regression_loss_type": '"mse" or "cross_entropy"',
    "distiller.rkd_distance_loss_weight": "weight of the relational loss on distances within a micro-batch",
    "distiller.rkd_angle_loss_weight": "weight of the relational loss on angles within a micro-batch",
    "distiller.matches": "meant for intermediate layers; nothing reads it",
}
# AutoMM's defaults of the settings that this package reads, for machines on which AutoMM is not installed.
FALLBACKS: dict[str, JsonValue] = {
    MAX_TEXT_LEN: 512,
    "optim.max_epochs": 20,
    "env.per_gpu_batch_size": 8,
    "env.inference_batch_size_ratio": 4,
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
        If ``nested`` is not a table.
    """
    if not isinstance(nested, dict):
        raise ValueError("should be a table of settings")
    flat: Settings = {}
    for key, value in nested.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def check(settings: Mapping[str, JsonValue], where: str) -> None:
    """Refuse unknown settings and values of a wrong type.

    Raises
    ------
    KdbookError
        If AutoMM has no such setting, or its default has another type.
    """
    known = defaults()
    for key, value in settings.items() if known else ():
        if key not in known:
            raise KdbookError(f"{where}: unknown setting {key!r}. {_advice(key, list(known))}")
        default = known[key]
        both_are_numbers = isinstance(default, int | float) and isinstance(value, int | float)
        if default is not None and not both_are_numbers and type(default) is not type(value):
            raise KdbookError(
                f"{where}: {key} = {value!r} should be of type {type(default).__name__}, like the default "
                f"{default!r}"
            )


def distiller_weights(chosen: Mapping[str, JsonValue]) -> Settings:
    """Temperature and weights of the distiller in effect: AutoMM's defaults where none are chosen."""
    in_effect = defaults() | dict(chosen)
    return {
        key: value
        for key, value in in_effect.items()
        if key in DISTILLER and key.endswith(("temperature", "weight"))
    }


def distiller_table(chosen: Mapping[str, JsonValue]) -> "pd.DataFrame":
    """Every setting of the distiller: AutoMM's default, the value chosen here, and its effect."""
    import pandas as pd

    rows = [
        {
            "distiller.": key.removeprefix("distiller."),
            "default": repr(defaults().get(key)),
            "here": repr(chosen.get(key, defaults().get(key))),
            "effect": effect,
        }
        for key, effect in DISTILLER.items()
    ]
    return pd.DataFrame(rows).set_index("distiller.")


def _advice(key: str, known: list[str]) -> str:
    group, _, rest = key.partition(".")
    new_name = OLD_NAMES.get(key, f"optim.{rest}" if group == "optimization" else "")
    if new_name in known:
        return f"AutoMM renamed it: use {new_name}"
    siblings = sorted(name for name in known if name.startswith(f"{group}."))
    return f"Choose from: {', '.join(siblings or sorted({name.split('.')[0] + '.*' for name in known}))}"
