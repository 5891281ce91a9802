"""Which values of AutoMM's settings train what a profile asks for.

AutoMM checks few of its settings. Some values stop a fit in the middle or after it, some let it wait for
ever, and some are quietly taken for others: no epoch, a validation after every batch, another encoder. Each
rule follows AutoMM 1.6.3 (``autogluon/multimodal``), Lightning and PyTorch as installed.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from kdbook.settings import automm

LARGEST = 1_000_000
LEFT_OUT = "left out"
# Without WordNet, which is downloaded, synonyms make AutoMM replace a row by the next one.
AUGMENTATION = re.compile(r"identity|insert_punc|(random_swap|random_delete)(\((0(\.\d+)?|1(\.0+)?)\))?")
LORA = ("lora", "lora_bias", "lora_norm", "ia3_lora", "ia3_lora_bias")


@dataclass(frozen=True)
class Rule:
    """What a setting should be, in words, and whether a value is that."""

    expected: str
    accepts: Callable[[JsonValue], bool]


def _whole(low: int, high: int = LARGEST) -> Rule:
    return Rule(
        f"a whole number from {low:,} to {high:,}",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high,
    )


def _number(low: float, high: float = LARGEST, above: bool = False, below: bool = False) -> Rule:
    """A finite number; ``above`` and ``below`` exclude the limits."""
    words = f"a number {'above' if above else 'from'} {low:g} {'and below' if below else 'to'} {high:,g}"
    return Rule(words, lambda value: _is_number(value) and _between(value, low, high, above, below))


def _share(above: bool = False) -> Rule:
    """A share that AutoMM takes for one only if it is written with a point."""
    words = f"a share with a decimal point, {'above' if above else 'from'} 0.0 to 1.0"
    share = _number(0.0, 1.0, above=above)
    return Rule(words, lambda value: isinstance(value, float) and share.accepts(value))


def _word(*words: JsonValue) -> Rule:
    listed = ", ".join(map(repr, words))
    return Rule(
        f"one of {listed}" if len(words) > 1 else listed,
        lambda value: any(type(value) is type(word) and value == word for word in words),
    )


def _list(item: Rule, least: int = 1) -> Rule:
    return Rule(
        f"a list of {item.expected}",
        lambda value: isinstance(value, list) and len(value) >= least and all(map(item.accepts, value)),
    )


def _either(first: Rule, second: Rule) -> Rule:
    return Rule(
        f"{first.expected}, or {second.expected}",
        lambda value: first.accepts(value) or second.accepts(value),
    )


def _not_for_profiles(reason: str) -> Rule:
    return Rule(f"{LEFT_OUT}: {reason}", lambda value: False)


def _is_number(value: JsonValue) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or math.isfinite(value)


def _between(value: JsonValue, low: float, high: float, above: bool, below: bool) -> bool:
    assert isinstance(value, int | float)
    return (low < value if above else low <= value) and (value < high if below else value <= high)


FLAG = Rule("true or false", lambda value: isinstance(value, bool))
AUGMENTATIONS = _list(
    Rule(
        "identity, insert_punc, random_swap or random_delete, the last two with or without a share as in "
        "random_swap(0.05)",
        lambda value: isinstance(value, str) and AUGMENTATION.fullmatch(value) is not None,
    )
)
_DEEPSPEED = _not_for_profiles("it is DeepSpeed's, which needs several GPUs")
_COMPILED = _not_for_profiles("a compiled model has other names for its weights")
_IMAGES = _not_for_profiles("it is for images")
_MODALITIES = _not_for_profiles("it needs several modalities")

RULES: dict[str, Rule] = {
    "distiller.soft_label_loss_type": _word("", "mse", "cross_entropy"),
    "distiller.softmax_regression_loss_type": _word("", "mse", "cross_entropy"),
    "distiller.output_feature_loss_type": _word("mse"),
    "distiller.temperature": _number(0.001, 1_000),
    "distiller.hard_label_weight": _number(0),
    "distiller.soft_label_weight": _number(0),
    "distiller.softmax_regression_weight": _number(0),
    "distiller.output_feature_loss_weight": _number(0),
    "distiller.rkd_distance_loss_weight": _number(0),
    "distiller.rkd_angle_loss_weight": _number(0),
    "distiller.matches": _not_for_profiles("any value stops the fit with a TypeError"),
    "env.num_gpus": _word(0, 1),  # on several GPUs AutoMM makes other batches
    "env.num_nodes": _not_for_profiles("a run takes one machine"),
    "env.batch_size": _whole(1, 65_536),
    "env.per_gpu_batch_size": _whole(1, 65_536),
    "env.inference_batch_size_ratio": _whole(1, 1_024),
    "env.precision": _word(  # utils/precision.py, and Lightning's words
        "16-mixed",
        "bf16-mixed",
        "32",
        "32-true",
        "16",
        "bf16",
        "16-true",
        "bf16-true",
        "64",
        "64-true",
    ),
    "env.num_workers": _whole(0, 1_024),
    "env.num_workers_inference": _whole(0, 1_024),
    "env.accelerator": _word("auto", "cpu"),
    "env.fast_dev_run": _not_for_profiles("it trains one batch"),
    "env.deterministic": FLAG,
    "env.auto_select_gpus": _not_for_profiles("no fit of a text model reads it"),
    "env.strategy": _not_for_profiles("it is read only with several GPUs"),
    "env.deepspeed_allgather_size": _DEEPSPEED,
    "env.deepspeed_allreduce_size": _DEEPSPEED,
    "env.compile.turn_on": _COMPILED,
    "env.compile.mode": _COMPILED,
    "env.compile.dynamic": _COMPILED,
    "env.compile.backend": _COMPILED,
    "model.hf_text.checkpoint_name": _not_for_profiles("set the checkpoint of the teacher or student"),
    "model.hf_text.gradient_checkpointing": FLAG,
    "model.hf_text.pooling_mode": _word("cls", "mean"),  # models/hf_text.py
    "model.hf_text.data_types": _not_for_profiles("the rows are texts"),
    "model.hf_text.tokenizer_name": _not_for_profiles("the tokenizer is that of the checkpoint"),
    "model.hf_text.use_fast": _not_for_profiles("AutoMM forgets it when it loads a predictor"),
    automm.MAX_TEXT_LEN: _whole(3),
    "model.hf_text.insert_sep": FLAG,
    "model.hf_text.low_cpu_mem_usage": FLAG,
    "model.hf_text.text_segment_num": _whole(1, 2),
    "model.hf_text.stochastic_chunk": FLAG,
    "model.hf_text.text_aug_detect_length": _whole(3),  # punctuation can't be inserted into shorter texts
    "model.hf_text.text_trivial_aug_maxscale": _number(0, 1),
    "model.hf_text.text_train_augment_types": AUGMENTATIONS,
    "optim.optim_type": _word("adamw", "adam", "sgd", "adafactor"),
    "optim.lr": _number(0, 10, above=True),
    "optim.weight_decay": _number(0, 10),
    "optim.lr_choice": _word("layerwise_decay", "two_stages", "single_stage"),
    "optim.lr_decay": _number(0, 1, above=True),
    "optim.lr_schedule": _word("cosine_decay", "polynomial_decay", "linear_decay"),  # optim/lr/utils.py
    "optim.max_epochs": _whole(1, 100_000),
    "optim.max_steps": _not_for_profiles("the learning rate ignores it; set optim.max_epochs"),
    "optim.warmup_steps": _either(_whole(0), _share()),
    "optim.end_lr": _number(0, 10),
    "optim.lr_mult": _number(0, 1_000, above=True),
    "optim.patience": _whole(1),
    "optim.val_check_interval": _share(above=True),  # Lightning counts batches if it has no point
    "optim.check_val_every_n_epoch": _whole(1, 100_000),
    "optim.skip_final_val": _not_for_profiles("it has no effect"),
    "optim.gradient_clip_val": _number(0),
    "optim.gradient_clip_algorithm": _word("norm", "value"),
    "optim.track_grad_norm": _either(_word(-1), _number(0, 100, above=True)),
    "optim.log_every_n_steps": _whole(1),
    "optim.label_smoothing": _number(0, 1, below=True),
    "optim.top_k": _whole(1, 1_000),
    "optim.top_k_average_method": _word("greedy_soup", "uniform_soup", "best"),
    automm.PEFT: _word(*LORA, "norm_fit", "bit_fit", "ia3", "ia3_bias", "ia3_norm"),
    "optim.lora.module_filter": _not_for_profiles("AutoMM chooses the layers of its encoders"),
    "optim.lora.filter": _not_for_profiles("AutoMM chooses the layers of its encoders"),
    "optim.lora.r": _whole(1, 65_536),
    "optim.lora.alpha": _number(0, above=True),
    "optim.lora.conv_lora_expert_num": _IMAGES,
    "optim.loss_func": _word("auto", "focal_loss"),
    "optim.focal_loss.alpha": _list(_number(0, above=True), least=2),
    "optim.focal_loss.gamma": _number(0, 100),
    "optim.focal_loss.reduction": _word("mean", "sum"),
    "optim.mask2former_loss.loss_cross_entropy_weight": _IMAGES,
    "optim.mask2former_loss.loss_mask_weight": _IMAGES,
    "optim.mask2former_loss.loss_dice_weight": _IMAGES,
    "optim.extra_trainable_params": _not_for_profiles("for texts it trains nothing more"),
    "optim.cross_modal_align": _MODALITIES,
    "optim.cross_modal_align_weight": _MODALITIES,
    "optim.automatic_optimization": _not_for_profiles(
        "without it distillation neither clips nor accumulates"
    ),
}


def problem(settings: Mapping[str, JsonValue]) -> str:
    """What is wrong with the first setting that is unknown or has a value that would not train as it seems
    to; empty if there is none.
    """
    for key, value in settings.items():
        if key not in RULES:
            known = [name for name, rule in RULES.items() if not rule.expected.startswith(LEFT_OUT)]
            return f"unknown setting {key[:60]!r}. {automm.advice(key, known)}"
        if not RULES[key].accepts(value) or "${" in str(value):  # OmegaConf would replace it
            return f"{key} = {repr(value)[:60]} should be {RULES[key].expected}"
    return ""


@dataclass(frozen=True)
class Fit:
    """What a fit is: its settings, the texts of a row, and the role of the model.

    ``chosen`` are the settings of its arm; AutoMM's defaults hold for the others. ``distils`` is whether a
    teacher's outputs are part of the loss, ``teaches`` whether other fits use the outputs of this one,
    ``classes`` the number of classes where it is known.
    """

    chosen: Mapping[str, JsonValue]
    texts: int
    is_teacher: bool
    distils: bool = False
    teaches: bool = False
    classes: int | None = None

    def conflict(self) -> str:
        """Why settings that are possible alone can't be together; empty if they can."""
        rules = (*self._of_rows(), *self._of_schedule(), *self._of_weights(), *self._of_distillation())
        return next((words for is_broken, words in rules if is_broken), "")

    def _value(self, key: str) -> JsonValue:
        return self.chosen.get(key, automm.FALLBACKS.get(key))

    def _number(self, key: str) -> float:
        value = self._value(key)
        assert isinstance(value, int | float)
        return value

    def _sets(self, prefix: str) -> bool:
        return any(key.startswith(prefix) for key in self.chosen)

    def _of_rows(self) -> Iterator[tuple[bool, str]]:
        batch, micro_batch = self._number("env.batch_size"), self._number("env.per_gpu_batch_size")
        yield (
            batch % micro_batch != 0,
            f"env.batch_size = {batch} should be a multiple of env.per_gpu_batch_size = {micro_batch}",
        )
        # one token for each text, and the marks before, between and after them
        least = 2 * self.texts + 1 if self._value("model.hf_text.insert_sep") else self.texts + 2
        yield (
            self._number(automm.MAX_TEXT_LEN) < least,
            f"{automm.MAX_TEXT_LEN} leaves no room for a token of each text; set it to {least} or more",
        )
        has_types = self._sets("model.hf_text.text_train_augment_types")
        yield (
            has_types != (self._number(automm.AUGMENTATION) > 0),
            f"set {automm.AUGMENTATION} to 0, or above 0 together with text_train_augment_types",
        )

    def _of_schedule(self) -> Iterator[tuple[bool, str]]:
        is_polynomial = self._value("optim.lr_schedule") == "polynomial_decay"
        checks = self._number("optim.check_val_every_n_epoch")
        yield (
            self._number("optim.max_epochs") % checks != 0,
            f"optim.max_epochs should be a multiple of optim.check_val_every_n_epoch = {checks}",
        )
        yield (
            self._number("optim.end_lr") > (self._number("optim.lr") if is_polynomial else 0),
            "optim.end_lr needs optim.lr_schedule = 'polynomial_decay' and an optim.lr that is not smaller",
        )
        yield (
            is_polynomial and self._number("optim.warmup_steps") >= 1,
            "with polynomial_decay, optim.warmup_steps should be a share below 1.0",
        )

    def _of_weights(self) -> Iterator[tuple[bool, str]]:
        peft, has_focal_loss = self._value(automm.PEFT), self._value("optim.loss_func") == "focal_loss"
        yield (
            bool(peft) and not self.is_teacher,
            f"AutoMM keeps a student with {automm.PEFT} = {peft!r} in part; set it for the teacher alone",
        )
        yield (
            bool(peft) and self._value("optim.lr_choice") != "layerwise_decay",
            f"{automm.PEFT} needs optim.lr_choice = 'layerwise_decay'",
        )
        yield (
            self._sets("optim.lora.") and peft not in LORA,
            f"optim.lora.* needs {automm.PEFT} = 'lora' or the like",
        )
        yield (
            self._sets("optim.focal_loss.") and not has_focal_loss,
            "optim.focal_loss.* needs optim.loss_func = 'focal_loss'",
        )
        weights = self._value("optim.focal_loss.alpha")
        yield (
            isinstance(weights, list) and self.classes not in (None, len(weights)),
            f"optim.focal_loss.alpha should have a weight for each of the {self.classes} classes",
        )
        yield (
            has_focal_loss and self._number("optim.label_smoothing") > 0,
            "optim.label_smoothing has no effect on the focal loss",
        )

    def _of_distillation(self) -> Iterator[tuple[bool, str]]:
        varies = self._number(automm.AUGMENTATION) > 0 or bool(self._value("model.hf_text.stochastic_chunk"))
        yield (
            varies and (self.distils or self.teaches),
            f"texts would change from epoch to epoch; set {automm.AUGMENTATION} to 0, stochastic_chunk off",
        )
        yield (
            self._sets("distiller.") and not self.distils,
            "distiller.* needs a teacher's outputs in the loss; set it in the table distiller",
        )
        weights = self._number("distiller.hard_label_weight") + self._number("distiller.soft_label_weight")
        yield (
            self.distils and weights == 0,
            "nothing trains the student's head; set distiller.hard_label_weight or soft_label_weight above 0",
        )
        relations = max(
            map(self._number, ("distiller.rkd_distance_loss_weight", "distiller.rkd_angle_loss_weight"))
        )
        yield (
            self.distils and relations > 0 and self._number("env.per_gpu_batch_size") < 3,
            "the relational losses compare the rows of a batch; set env.per_gpu_batch_size to 3 or more",
        )
