"""AutoMM's settings, read from the configuration files of the installed AutoGluon without importing it.

Source: ``autogluon/multimodal/configs/*/default.yaml``.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from kdbook.errors import KdbookError

if TYPE_CHECKING:
    import pandas as pd

GROUPS = ("distiller", "env", "model", "optim")
# Names before AutoGluon 1.2 and today's; source: ``utils/config.py``, ``make_overrides_backward_compatible``.
OLD_NAMES = {
    "optimization.learning_rate": "optim.lr",
    "optimization.efficient_finetune": "optim.peft",
    "optimization.loss_function": "optim.loss_func",
    "optimization.*": "optim.*",
    "env.num_workers_evaluation": "env.num_workers_inference",
    "env.eval_batch_size_ratio": "env.inference_batch_size_ratio",
}
# What the settings of the distiller do; source: ``optim/lit_distiller.py`` and ``utils/distillation.py``.
DISTILLER = {
    "distiller.temperature": "divides both models' logits in the soft-label loss; AutoMM does not multiply that loss by T²",
    "distiller.hard_label_weight": "weight of the cross-entropy with the true labels",
    "distiller.soft_label_weight": "weight of the loss against the teacher's softened probabilities",
    "distiller.soft_label_loss_type": '"cross_entropy" or "mse"; empty: cross-entropy for classes, mean squared error for numbers',
    "distiller.output_feature_loss_weight": "weight of the distance between the pooled features of student and teacher",
    "distiller.output_feature_loss_type": '"mse"; "cosine" is accepted but raises a TypeError in the first step',
    "distiller.softmax_regression_weight": "weight of the loss between the teacher's logits for its own and for the student's features",
    "distiller.softmax_regression_loss_type": '"mse" or "cross_entropy"',
    "distiller.rkd_distance_loss_weight": "weight of the relational loss on distances between the examples of a micro-batch",
    "distiller.rkd_angle_loss_weight": "weight of the relational loss on angles between triples of examples of a micro-batch",
    "distiller.matches": "meant for intermediate layers; nothing reads it",
}

Settings = dict[str, Any]


@cache
def defaults() -> Settings:
    """Every setting of a text model with AutoMM's default, by its dotted key; empty where AutoMM is not installed."""
    spec = find_spec("autogluon")
    roots = [Path(place) / "multimodal" / "configs" for place in (spec.submodule_search_locations or [])] if spec else []
    settings: Settings = {}
    for root in roots:
        for group in GROUPS:
            path = root / group / "default.yaml"
            if path.exists():
                settings |= flatten(yaml.safe_load(path.read_text("utf-8")))
    return {key: value for key, value in settings.items() if not key.startswith("model.") or key.startswith("model.hf_text.")}


def flatten(nested: Settings, prefix: str = "") -> Settings:
    """Nested tables as one table with dotted keys, ``{"optim": {"lr": 1}}`` as ``{"optim.lr": 1}``."""
    if not isinstance(nested, dict):
        raise ValueError("should be a table of settings")
    flat: Settings = {}
    for key, value in nested.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def check(settings: Settings, where: str) -> Settings:
    """Return the settings as they are, or raise :class:`KdbookError` naming an unknown key or a value of a wrong type."""
    known = defaults()
    for key, value in settings.items() if known else ():
        if key not in known:
            raise KdbookError(f"{where}: unknown setting {key!r}. {_advice(key, list(known))}")
        default = known[key]
        numbers = isinstance(default, int | float) and isinstance(value, int | float)
        if default is not None and not numbers and type(default) is not type(value):
            raise KdbookError(f"{where}: {key} = {value!r} should be of type {type(default).__name__}, like the default {default!r}")
    return settings


def distiller_weights(chosen: Settings) -> Settings:
    """Temperature and weights of the distiller in effect: AutoMM's defaults where none are chosen."""
    return {key: value for key, value in (defaults() | chosen).items() if key in DISTILLER and key.endswith(("temperature", "weight"))}


def distiller_table(chosen: Settings) -> "pd.DataFrame":
    """Every setting of the distiller with AutoMM's default, the value chosen here, and what it does."""
    import pandas as pd

    rows = [
        {
            "distiller.": key.removeprefix("distiller."),
            "default": repr(defaults().get(key)),
            "here": repr(chosen.get(key, defaults().get(key))),
            "what it does": meaning,
        }
        for key, meaning in DISTILLER.items()
    ]
    return pd.DataFrame(rows).set_index("distiller.")


def _advice(key: str, known: list[str]) -> str:
    group, _, rest = key.partition(".")
    today = OLD_NAMES.get(key, f"optim.{rest}" if group == "optimization" else "")
    if today in known:
        return f"AutoMM renamed it: use {today}"
    siblings = sorted(name for name in known if name.startswith(f"{group}."))
    return f"Choose from: {', '.join(siblings or sorted({name.split('.')[0] + '.*' for name in known}))}"
