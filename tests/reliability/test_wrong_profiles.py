"""Wrong and odd profiles are refused in one line when they are read; what is accepted trains as it says.

Run as a script this file is the process that trains: AutoMM is imported once for all fits.
"""

import json
import logging
import math
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from kdbook.errors import KdbookError
from kdbook.settings import limits, profile

pytestmark = pytest.mark.training

CASES = int(os.environ.get("KDBOOK_CASES", "150"))  # profiles that are read; the nightly run sets 2000
FITS = min(CASES // 20, 100)  # of the accepted ones, trained for about two steps
SEED = int(os.environ.get("KDBOOK_SEED", "0"))
SECONDS_TO_READ = 2.0  # of processor time, which a busy machine does not stretch
SECONDS_TO_FIT = 60  # of processor time as well; a process that waits for something uses none
SECONDS_TO_WAIT = 240
SECONDS_TO_START = 300
BASES = ("smoke", "embedded")

# What no key should take for anything else, in TOML.
ODD = [
    "true",
    "false",
    "0",
    "-1",
    "1",
    "2",
    "4294967296",
    "1000000000000",
    "1" + "0" * 400,
    "0.0",
    "-0.0",
    "-0.5",
    "0.5",
    "1.0",
    "1.5",
    "1e-300",
    "1e308",
    "nan",
    "inf",
    "-inf",
    '""',
    '" "',
    '"banana"',
    '"1"',
    '"ÿ中🙂"',
    r'"a\nb"',
    r'"a\u2028b"',
    r'"\u0000"',
    '"~nobody-of-this-name/x"',
    '"${optim.lr}"',
    "[]",
    "[[]]",
    "[1]",
    '[""]',
    '["a{99999999999}"]',
    "{}",
    "{ a = 1 }",
    "{ a = { b = [1] } }",
    "1979-05-27",
    "07:32:00",
]
# Values of settings that are, or look, possible: the limits, and what AutoMM's documentation names.
NEARLY = {
    "distiller.soft_label_loss_type": ['""', '"mse"', '"cross_entropy"'],
    "distiller.softmax_regression_loss_type": ['""', '"mse"', '"cross_entropy"'],
    "distiller.output_feature_loss_type": ['"mse"', '"cosine"'],
    "distiller.temperature": ["1e-6", "0.5", "1", "1000"],
    "distiller.hard_label_weight": ["0", "1", "1000000"],
    "distiller.soft_label_weight": ["0", "1", "1000000"],
    "distiller.softmax_regression_weight": ["0", "0.5", "1000"],
    "distiller.output_feature_loss_weight": ["0", "0.5", "1000"],
    "distiller.rkd_distance_loss_weight": ["0", "25"],
    "distiller.rkd_angle_loss_weight": ["0", "50.0"],
    "distiller.matches": ["[]"],
    "env.num_gpus": ["-1", "0", "1"],
    "env.batch_size": ["1", "3", "16", "48", "64", "65536"],
    "env.per_gpu_batch_size": ["1", "2", "3", "16", "23", "65536"],
    "env.inference_batch_size_ratio": ["1", "1024"],
    "env.precision": ['"16-mixed"', '"bf16"', '"32-true"', '"64"', '"16-true"', "32", '"transformer-engine"'],
    "env.num_workers": ["0", "1"],
    "env.num_workers_inference": ["0", "1"],
    "env.accelerator": ['"auto"', '"cpu"', '"gpu"', '"tpu"'],
    "env.deterministic": ["true", "false"],
    "model.hf_text.gradient_checkpointing": ["true"],
    "model.hf_text.pooling_mode": ['"cls"', '"mean"', '"max"'],
    "model.hf_text.max_text_len": ["3", "4", "5", "64", "128"],
    "model.hf_text.insert_sep": ["true", "false"],
    "model.hf_text.low_cpu_mem_usage": ["true"],
    "model.hf_text.text_segment_num": ["1", "2"],
    "model.hf_text.stochastic_chunk": ["true", "false"],
    "model.hf_text.text_aug_detect_length": ["0", "1", "100"],
    "model.hf_text.text_trivial_aug_maxscale": ["0", "0.1", "1"],
    "model.hf_text.text_train_augment_types": [
        '["identity"]',
        '["random_swap(0.05)"]',
        '["random_delete(1.0)"]',
        '["insert_punc"]',
        '["syn_replacement(0.1)"]',
    ],
    "optim.optim_type": ['"adamw"', '"adam"', '"sgd"', '"adafactor"', '"lion"'],
    "optim.lr": ["1e-12", "1e-3", "1"],
    "optim.weight_decay": ["0", "0.1", "10"],
    "optim.lr_choice": ['"layerwise_decay"', '"two_stages"', '"single_stage"'],
    "optim.lr_decay": ["1e-9", "0.5", "1"],
    "optim.lr_schedule": ['"cosine_decay"', '"polynomial_decay"', '"linear_decay"', '"multi_step"'],
    "optim.max_epochs": ["1", "2", "100000"],
    "optim.warmup_steps": ["0", "1", "2", "1000000", "0.0", "0.5", "1.0"],
    "optim.end_lr": ["0", "1e-7", "1e-3"],
    "optim.lr_mult": ["0.1", "1000"],
    "optim.patience": ["1", "1000000"],
    "optim.val_check_interval": ["1e-9", "0.3", "0.5", "0.7", "1.0", "1"],
    "optim.check_val_every_n_epoch": ["1", "2", "100000"],
    "optim.gradient_clip_val": ["0", "1e-9", "1000000"],
    "optim.gradient_clip_algorithm": ['"norm"', '"value"'],
    "optim.track_grad_norm": ["-1", "2", "0.5", "100"],
    "optim.log_every_n_steps": ["1", "1000000"],
    "optim.label_smoothing": ["0", "0.1", "0.999"],
    "optim.top_k": ["1", "3", "1000", "-1"],
    "optim.top_k_average_method": ['"greedy_soup"', '"uniform_soup"', '"best"'],
    "optim.peft": [f'"{name}"' for name in (*limits.LORA, "norm_fit", "bit_fit", "ia3", "ia3_norm")],
    "optim.lora.module_filter": ['[".*"]', '[".*layer.*"]', '["no such module"]'],
    "optim.lora.filter": ['["query", "value"]', '[".*"]', '["no such layer"]', '["${optim.lr}"]'],
    "optim.lora.r": ["1", "8", "1024"],
    "optim.lora.alpha": ["0.5", "8"],
    "optim.loss_func": ['"auto"', '"focal_loss"'],
    "optim.focal_loss.alpha": ["[1, 1]", "[0.25, 0.75]", "[1, 1, 1]"],
    "optim.focal_loss.gamma": ["0", "0.5", "100"],
    "optim.focal_loss.reduction": ['"mean"', '"sum"'],
}
# All other keys of a profile, with values that are, or look, possible.
OTHERS = {
    "base": ['"embedded"', '"nothing"'],
    "name": ['"mine"'],
    "description": ['"text"'],
    "threads": ["1", "2"],
    "control_seeds": ["1", "2"],
    "ablation_seeds": ["1", "2"],
    "primary.arm": ['"baseline"', '"distilled"', '"own"', '"teacher"'],
    "primary.against": ['"baseline"', '"transfer"', '"own"'],
    "primary.test": ['"all"', '"de"', '"fr"'],
    "primary.metric": ['"accuracy"', '"balanced accuracy"', '"macro-F1"'],
    "primary.margin": ["0.5", "2.0", "100", "1e-9", "0.0", "-1.0", "true", "'two'", "101.0", "nan", "inf"],
    "data.source": ['"generated"'],
    "data.columns": ['{ texts = ["a"], label = "b" }', '{ texts = ["a", "a"], label = "b" }'],
    "data.columns.texts": ['["a"]', '["a", "b", "c"]'],
    "data.columns.label": ['"label"'],
    "data.configuration": ['"de"'],
    "data.ignored_splits": ['["test"]', '["train"]'],
    "data.languages": ['["en", "de"]', '["de"]', '["en", "en"]', '["all"]'],
    "data.train_languages": ['["en"]', '["en", "en"]', '["fr"]'],
    "data.train_items": ["8", "24", "60"],
    "data.labelled_items": ["6", "12", "60"],
    "data.unlabelled": ["true", "false"],
    "data.unlabelled_items": ["1", "5"],
    "data.validation_items": ["2", "6"],
    "data.test_items": ["2", "6"],
    "data.seed": ["1", "4294967295"],
    "data.train_label_noise": ["0.0", "0.1", "0.4999"],
    "teacher.checkpoint": ['"embedded:teacher"', '"embedded:student"'],
    "teacher.seeds": ["[4294967295]", "[0, 0]", "[1, 2]"],
    "teacher.gpus": ["0.5", "1"],
    "student.checkpoint": ['"embedded:student"', '"embedded:teacher"'],
    "student.seeds": ["[4294967295]", "[3]", "[-1]"],
    "student.gpus": ["0.5", "1"],
    "controls.own.title": ['"Own"'],
    "controls.own.rows": ['"labelled"', '"all"'],
    "controls.own.lesson": ['"labels"', '"answers"', '"outputs"', '"shuffled"'],
    "controls.own.teacher": ['"own"', '"self"'],
    "controls.own.against": ['"baseline"', '"transfer"', '"own"', '"other"'],
    "ablations.other.title": ['"Other"'],
    "ablations.other.lesson": ['"labels"', '"answers"', '"outputs"', '"shuffled"'],
    "ablations.other.against": ['"baseline"', '"distilled"', '"own"'],
    "tuned": ["{}", "{ teacher = {} }"],
    "no_such_key": ["1"],
    r'"a\nb"': ["1"],
    r'controls."a\nb".title': ['"Own"'],
    r'tuned."a\u2028b".optim.lr': ["1"],
    "hyperparameters": ["{}"],
    "hyperparameters.optim": ["{}"],
    "hyperparameters.lr": ["1"],
}
# Tables of settings, and the arm whose fit shows what they do.
TABLES = {
    "hyperparameters": "",
    "teacher.hyperparameters": "teacher",
    "student.hyperparameters": "",
    "distiller": "distilled",
    "tuned.baseline": "baseline",
    "tuned.distilled": "distilled",
    "tuned.transfer": "transfer",
    "controls.own.hyperparameters": "own",
    "ablations.other.hyperparameters": "other",
}
ARMS = ("teacher", "baseline", "distilled", "transfer")
# Settings that are possible alone, in tables whose settings meet in one fit.
PAIRS = [
    ("hyperparameters.env.per_gpu_batch_size = 24", "student.hyperparameters.env.batch_size = 16"),
    ("hyperparameters.env.batch_size = 64", "tuned.baseline.env.per_gpu_batch_size = 48"),
    ('hyperparameters.optim.lr_schedule = "polynomial_decay"', "tuned.transfer.optim.end_lr = 0.5"),
    ('hyperparameters.optim.lr_schedule = "polynomial_decay"', "tuned.baseline.optim.warmup_steps = 1.0"),
    ("hyperparameters.optim.max_epochs = 3", "student.hyperparameters.optim.check_val_every_n_epoch = 2"),
    ("hyperparameters.model.hf_text.insert_sep = false", "tuned.baseline.model.hf_text.max_text_len = 3"),
    ("teacher.hyperparameters.model.hf_text.stochastic_chunk = true", "threads = 1"),
    ("hyperparameters.optim.label_smoothing = 0.1", 'tuned.baseline.optim.loss_func = "focal_loss"'),
    ("distiller.distiller.hard_label_weight = 0", "tuned.transfer.distiller.soft_label_weight = 0"),
    ("distiller.distiller.rkd_angle_loss_weight = 1", "tuned.distilled.env.per_gpu_batch_size = 2"),
    ('teacher.hyperparameters.optim.peft = "lora"', 'hyperparameters.optim.lr_choice = "two_stages"'),
    ('student.hyperparameters.optim.peft = "lora"', "teacher.hyperparameters.optim.lora.r = 4"),
    ('controls.own.title = "A"', 'ablations.own.title = "B"'),
    (
        'controls.own = { title = "A", against = "other" }',
        'ablations.other = { title = "B", against = "own" }',
    ),
    ('primary.arm = "distilled"', 'primary.against = "distilled"'),
    ("data.train_items = 5", "data.labelled_items = 5"),
    ('data.languages = ["en"]', 'primary.test = "de"'),
]


@dataclass(frozen=True)
class Case:
    """A profile, and the arm of it to train if it is accepted."""

    toml: str
    arm: str

    @property
    def lines(self) -> str:
        """The profile as a message shows it."""
        return "\n".join(line[:200] for line in self.toml.splitlines())


def cases(number: int, seed: int) -> Iterator[Case]:
    """Profiles with one to four odd or nearly odd values, always the same for a seed."""
    rng = random.Random(seed)
    pairs = [list(pair) for pair in PAIRS]
    for index in range(number):
        if index < len(pairs):
            assignments = pairs[index]
        elif rng.random() < 0.25:
            key = rng.choice(list(OTHERS))
            assignments = [f"{key} = {rng.choice(ODD if rng.random() < 0.6 else OTHERS[key])}"]
            if rng.random() < 0.3:
                other = rng.choice(list(OTHERS))
                assignments.append(f"{other} = {rng.choice(OTHERS[other])}")
        else:
            assignments = _settings(rng)
        assignments = [*_titles(assignments), *assignments]
        first = (
            [] if any(line.startswith("base ") for line in assignments) else [f'base = "{BASES[index % 2]}"']
        )
        arms = [arm for line in assignments for table, arm in TABLES.items() if line.startswith(f"{table}.")]
        arm = rng.choice(arms or [""]) or rng.choice(ARMS)
        yield Case("\n".join([*first, *dict.fromkeys(assignments)]) + "\n", arm)


def _settings(rng: random.Random) -> list[str]:
    """One odd setting, or some that are nearly possible, most of them in one table."""
    table = rng.choice(list(TABLES))
    if rng.random() < 0.35:
        return [f"{table}.{rng.choice(list(limits.RULES))} = {rng.choice(ODD)}"]
    keys = rng.sample(list(NEARLY), rng.choice((1, 1, 2, 3, 4)))
    tables = [table if rng.random() < 0.7 else rng.choice(list(TABLES)) for _ in keys]
    return [f"{where}.{key} = {rng.choice(NEARLY[key])}" for where, key in zip(tables, keys, strict=True)]


def _titles(assignments: list[str]) -> list[str]:
    """A variation needs a title."""
    return [
        f'{where}.title = "Own"'
        for where in ("controls.own", "ablations.other")
        if any(line.startswith(f"{where}.") for line in assignments)
        and not any(line.startswith((f"{where}.title", f"{where} ")) for line in assignments)
    ]


def read(path: Path, toml: str) -> tuple[str, str]:
    """What reading a profile says: the message of its refusal, if any, and what is wrong with that."""
    path.write_text(toml, "utf-8")
    start = time.process_time()
    message = wrong = ""
    try:
        profile.load(str(path))
    except KdbookError as error:
        message = str(error)
        if not message.strip() or len(message.splitlines()) != 1:
            wrong = f"a message of {len(message.splitlines())} lines: {message!r}"
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
    seconds = time.process_time() - start
    if seconds > SECONDS_TO_READ:
        wrong = wrong or f"it took {seconds:.1f} seconds"
    return message, wrong


def test_a_wrong_profile_is_refused_in_one_line_and_in_no_time(tmp_path, tally):
    failures = []
    for case in cases(CASES, SEED):
        _, wrong = read(tmp_path / "mine.toml", case.toml)
        if wrong:
            failures.append(f"{case.lines}\n  -> {wrong}")
        else:
            with tally.trial("odd profiles"):
                pass
    assert not failures, f"{len(failures)} of {CASES} profiles:\n\n" + "\n\n".join(failures)


AUGMENTED = "text_trivial_aug_maxscale = 0.1"
SWAPPED = f"{AUGMENTED}, text_train_augment_types = ['random_swap(0.1)']"
# What AutoMM refuses, or takes for another run, as trials of this file have shown.
WRONG = [
    "hyperparameters.optim.lr = 1" + "0" * 400,
    "hyperparameters.optim.max_epochs = {}",
    "hyperparameters.distiller.temperature = 2",
    "teacher.hyperparameters.distiller.temperature = 2",
    "tuned.baseline.distiller.temperature = 2",
    "tuned.distilled.distiller.temperature = 1e-300",
    'tuned.baseline.optim = { loss_func = "focal_loss", focal_loss = { alpha = [1, 1, 1] } }',
    'tuned.baseline.optim = { lr_schedule = "polynomial_decay", warmup_steps = 5 }',
    'teacher.hyperparameters.optim = { peft = "lora", lora.filter = [".*"] }',
    'teacher.hyperparameters.optim = { peft = "lora", lora.filter = ["${optim.lr}"] }',
    'teacher.hyperparameters.optim = { peft = "lora", lora.filter = ["a{99999999999}"] }',
    'teacher.hyperparameters.optim = { peft = "bit_fit", lora.r = 4 }',
    'hyperparameters = { optim.lr = 0.1, "optim.lr" = 0.2 }',
    "tuned.baseline.model.hf_text.text_trivial_aug_maxscale = 0.1",  # one type needs a download
    f"tuned.baseline.model.hf_text = {{ {AUGMENTED}, text_train_augment_types = ['syn_replacement(0.5)'] }}",
    f"tuned.baseline.model.hf_text = {{ {SWAPPED} }}\ncontrols.own = {{ title = 'A', teacher = 'self' }}",
    'controls.baseline-0 = { title = "A", lesson = "labels" }',
    'controls.own = { title = "A", lesson = "labels", teacher = "self" }',
    r'controls."a\nb".title = "A"',
    'data.train_languages = ["en", "en"]',
]


@pytest.mark.parametrize("lines", WRONG, ids=[line[:60] for line in WRONG])
def test_what_was_seen_to_fail_is_refused(tmp_path, lines):
    message, wrong = read(tmp_path / "mine.toml", f'base = "smoke"\n{lines}\n')
    assert message and not wrong, wrong or "it is accepted"


def test_every_key_is_tried(tmp_path):
    """The generator knows every key of a profile; a new one must be added to it."""
    keys = {f"{name}." for name in profile.Profile.model_fields}
    reached = {f"{key.split('.')[0]}." for key in (*OTHERS, *TABLES)}
    assert keys <= reached
    tables = {"data": "data", "primary": "primary", "teacher": "teacher", "student": "student"}
    for name, field in tables.items():
        model: Any = profile.Profile.model_fields[field].annotation
        missing = {f"{name}.{key}" for key in model.model_fields} - {*OTHERS, *TABLES}
        assert not missing
    possible = {key for key, rule in limits.RULES.items() if not rule.expected.startswith(limits.LEFT_OUT)}
    assert possible <= set(NEARLY)


def test_what_is_accepted_trains_as_it_says(tmp_path, tally):
    accepted = [case for case in cases(CASES, SEED) if read(tmp_path / "mine.toml", case.toml) == ("", "")]
    failures = []
    with Child(tmp_path) as child:
        for case in spread(accepted, FITS):
            if wrong := child.fit(case):
                failures.append(f"{case.lines}  arm: {case.arm}\n  -> {wrong}")
            else:
                with tally.trial("odd profiles that are accepted, trained"):
                    pass
    assert not failures, f"{len(failures)} of {FITS} fits:\n\n" + "\n\n".join(failures)


def spread(accepted: list[Case], number: int) -> list[Case]:
    """So many of the profiles that set something that a fit shows, the rarest settings first."""
    counts: dict[str, int] = {}
    chosen: list[Case] = []
    left = [case for case in accepted if keys_of(case)]
    while left and len(chosen) < number:
        best = min(left, key=lambda case: min(counts.get(key, 0) for key in keys_of(case)))
        left.remove(best)
        chosen.append(best)
        for key in keys_of(best):
            counts[key] = counts.get(key, 0) + 1
    return chosen


def keys_of(case: Case) -> list[str]:
    """The settings of AutoMM that a profile has of its own."""
    keys = (line.partition(" = ")[0] for line in case.toml.splitlines())
    return [key for line in keys for key in limits.RULES if line.endswith(f".{key}")]


class Child:
    """The process that trains; it is started again after a fit that did not end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None
        self.replies: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def fit(self, case: Case) -> str:
        """What goes wrong in a fit; empty if nothing does."""
        if not self.process:
            self._start()
        assert self.process and self.process.stdin
        self.process.stdin.write(json.dumps([case.toml, case.arm]) + "\n")
        self.process.stdin.flush()
        process, start = psutil.Process(self.process.pid), time.monotonic()
        before = _processor_seconds(process)
        while time.monotonic() - start < SECONDS_TO_WAIT:
            with suppress(queue.Empty):
                answer = self.replies.get(timeout=1)
                if answer:
                    return str(json.loads(answer))
                self.stop()
                return "the process ended"
            if _processor_seconds(process) - before > SECONDS_TO_FIT:
                break
        self.stop()
        return f"it did not end: {time.monotonic() - start:.0f} seconds"

    def stop(self) -> None:
        """End the process and what it started."""
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _start(self) -> None:
        self.replies = queue.Queue()
        command = [sys.executable, __file__, str(self.folder / "fits")]
        with (self.folder / "stderr.txt").open("a") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        threading.Thread(target=self._listen, args=(self.process, self.replies), daemon=True).start()
        ready = self.replies.get(timeout=SECONDS_TO_START)
        assert ready, (self.folder / "stderr.txt").read_text("utf-8")[-4000:]

    @staticmethod
    def _listen(process: subprocess.Popen[str], replies: "queue.Queue[str]") -> None:
        assert process.stdout
        for line in process.stdout:
            replies.put(line)
        replies.put("")


def _processor_seconds(process: psutil.Process) -> float:
    """Seconds that a process has computed; of one that has just ended none."""
    with suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


# What follows runs in that process.

FEW = {"train_items": 24, "labelled_items": 12, "validation_items": 6, "test_items": 6}
MOST_WORKERS, MOST_THREADS, MOST_EPOCHS = 2, 2, 2
OF_THE_MACHINE = ("env.num_gpus", "env.precision", "env.accelerator")


def serve(folder: Path) -> None:
    """Train what is asked for, line by line; the answer is what goes wrong."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever prints does not answer
    trainer = Trainer(folder)
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(trainer.wrong(*json.loads(line))), file=answers, flush=True)


class _Messages(logging.Handler):
    """What AutoMM says about rows that it can't read and takes others for."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self.messages.append(record.getMessage()[:200])


class Trainer:
    """Trains single runs of profiles on few rows, students with one teacher for all."""

    def __init__(self, folder: Path) -> None:
        from kdbook.training import automm, timing

        automm.import_quietly()
        import lightning.pytorch

        timing.BLOCK, timing.TURNS, timing.SECONDS = {}, 2, 0
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.trainers: list[Any] = []
        self.skipped = _Messages()
        logger = logging.getLogger("autogluon.multimodal.data.dataset")
        logger.addHandler(self.skipped)
        logger.setLevel(logging.DEBUG)
        stock = lightning.pytorch.Trainer.fit

        def fit(trainer: Any, *arguments: Any, **settings: Any) -> Any:
            self.trainers.append(trainer)
            return stock(trainer, *arguments, **settings)

        lightning.pytorch.Trainer.fit = fit  # type: ignore[method-assign]
        self.teachers = {arm: self._shared(arm) for arm in ("teacher", "baseline")}

    def wrong(self, toml: str, arm: str) -> str:
        """What goes wrong with a run of an arm; empty if nothing does."""
        with tempfile.TemporaryDirectory(dir=self.folder) as directory:
            path = Path(directory) / "mine.toml"
            path.write_text(toml, "utf-8")
            try:
                asked = profile.load(str(path))
                arm = arm if arm in asked.arms else "baseline"
                if self._needs_more(asked, arm, Path(directory)):
                    return ""
                return self._wrong(asked, arm, Path(directory))
            except KdbookError as error:
                return f"accepted, and refused by the fit: {error}"
            except Exception as error:
                return f"{type(error).__name__}: {str(error)[:600]}"

    @staticmethod
    def _needs_more(asked: profile.Profile, arm: str, directory: Path) -> bool:
        """Whether the encoder or the rows, which no profile shows, are refused before a fit, in one line."""
        try:
            study, spec = few(asked, arm, directory)
            study.check(spec)
            study.resolve(spec)
            return len(study.data["train"]) == 0
        except KdbookError as error:
            return len(str(error).splitlines()) == 1

    def _wrong(self, asked: profile.Profile, arm: str, directory: Path) -> str:
        from kdbook.encoders import checkpoints
        from kdbook.training import automm

        study, spec = few(asked, arm, directory)
        own = few(asked, spec.teacher.rpartition("-")[0], directory) if spec.teacher else None
        teacher = None
        if own and own[1].hyperparameters != self.teachers[own[1].arm][1]:
            self._train(own[0], own[1], None, directory / "teacher")  # one that only this profile has
            teacher = self._teacher_in(directory / "teacher")
        elif own:
            teacher = self.teachers[own[1].arm][0]
        self.trainers.clear()
        self.skipped.messages.clear()
        self._train(study, spec, teacher, directory / "run")
        identity = study.resolve(spec).identity
        history = self._history(directory / "run")
        predictor = automm.load(directory / "run" / "predictor")
        model = asked.teacher if arm == "teacher" else asked.student
        settings = asked.teacher_settings if arm == "teacher" else asked.student_settings(arm)
        problems = [
            ("the history is empty", not len(history)),
            (f"rows were replaced by others: {self.skipped.messages[:1]}", bool(self.skipped.messages)),
            ("a loss is not finite", not all(map(math.isfinite, history["train_loss"]))),
            ("the record has another encoder", spec.checkpoint != model.checkpoint),
            (
                "the identity has another encoder",
                identity.checkpoint != checkpoints.locate(model.checkpoint).identity,
            ),
            ("the identity has other settings", identity.hyperparameters != spec.hyperparameters),
            ("the identity lacks settings", not settings.keys() <= identity.hyperparameters.keys()),
            ("the identity has another seed", identity.seed != model.seeds[0]),
            ("the metric is another", identity.metric != asked.primary.metric),
            *self._other_settings(predictor, spec.hyperparameters),
            *self._other_steps(spec.hyperparameters),
        ]
        return "; ".join(words for words, is_wrong in problems if is_wrong)

    def _other_settings(self, predictor: Any, asked: dict[str, Any]) -> Iterator[tuple[str, bool]]:
        from omegaconf import OmegaConf

        config = predictor._learner._config
        for key, value in asked.items():
            if key in OF_THE_MACHINE:
                continue
            if key.startswith("distiller.") and "distiller" not in config:
                yield f"{key} has no effect in a fit that does not distil", True
                continue
            used = OmegaConf.select(config, key)
            used = OmegaConf.to_container(used, resolve=True) if OmegaConf.is_config(used) else used
            yield f"AutoMM's {key} is {used!r} instead of {value!r}", (used or "") != (value or "")

    def _other_steps(self, asked: dict[str, Any]) -> Iterator[tuple[str, bool]]:
        from kdbook.settings.automm import FALLBACKS

        trainer = self.trainers[-1]
        values = {**FALLBACKS, **asked}
        micro_batches = values["env.batch_size"] // values["env.per_gpu_batch_size"]
        for name, is_now, expected in (
            ("epochs", trainer.max_epochs, values["optim.max_epochs"]),
            ("micro-batches per step", trainer.accumulate_grad_batches, micro_batches),
            ("rows of a micro-batch", trainer.train_dataloader.batch_size, values["env.per_gpu_batch_size"]),
            ("the clip of gradients", trainer.gradient_clip_val, values.get("optim.gradient_clip_val", 1)),
            ("validated epochs", trainer.check_val_every_n_epoch, values["optim.check_val_every_n_epoch"]),
        ):
            yield f"{name}: {is_now!r} instead of {expected!r}", is_now != expected
        yield "no step was taken", trainer.global_step < 1
        yield "it ended early", trainer.current_epoch < trainer.max_epochs

    def _shared(self, arm: str) -> tuple[Any, dict[str, Any]]:
        study, spec = few(profile.load("smoke"), arm, self.folder)
        self._train(study, spec, None, self.folder / arm)
        return self._teacher_in(self.folder / arm), spec.hyperparameters

    @staticmethod
    def _teacher_in(directory: Path) -> Any:
        from kdbook.training.teacher_outputs import OutputFile, Teacher

        return Teacher(directory / "predictor", OutputFile(directory / "outputs.safetensors"))

    @staticmethod
    def _train(study: Any, spec: Any, teacher: Any, directory: Path) -> None:
        """Train as in a study, but from a teacher that is in no store."""
        from kdbook.training.lessons import Teaching

        directory.mkdir()
        teaching = Teaching(spec.rows, spec.lesson, teacher)
        study._trainer._fit(spec, teaching, directory, lambda *progress: None)

    @staticmethod
    def _history(directory: Path) -> Any:
        import pandas as pd

        return pd.read_parquet(directory / "history.parquet")


def few(asked: profile.Profile, arm: str, directory: Path) -> tuple[Any, Any]:
    """A study of a profile on few rows, and the first run of an arm of it, cut to an epoch or two."""
    from kdbook.settings.automm import FALLBACKS
    from kdbook.store.local import Store
    from kdbook.study.study import Study

    limited = {
        key: min(getattr(asked.data, key) or most, most)
        for key, most in FEW.items()
        if key != "labelled_items" or asked.data.labelled_items
    }
    if "labelled_items" in limited:
        limited["labelled_items"] = min(limited["labelled_items"], max(1, limited["train_items"] - 1))
    threads = min(asked.threads or 1, MOST_THREADS)
    changes = {"data": asked.data.model_copy(update=limited), "threads": threads}
    study = Study(asked.model_copy(update=changes), Store(directory / "store"))
    spec = study.spec(arm)
    settings = dict(spec.hyperparameters)
    epochs = settings.get("optim.max_epochs", FALLBACKS["optim.max_epochs"])
    if epochs > MOST_EPOCHS:
        checks = settings.get("optim.check_val_every_n_epoch", 1)
        settings["optim.max_epochs"] = checks if checks <= MOST_EPOCHS else 1
        if checks > MOST_EPOCHS:
            settings["optim.check_val_every_n_epoch"] = 1
    if settings.get("optim.lr_schedule") == "polynomial_decay":  # has to have a step left after the warm-up
        settings["env.batch_size"] = settings["env.per_gpu_batch_size"]
        settings["optim.warmup_steps"] = 0.25 if settings.get("optim.warmup_steps") else 0
    for key in ("env.num_workers", "env.num_workers_inference"):
        settings[key] = min(settings.get(key, 0), MOST_WORKERS)
    return study, spec.model_copy(update={"hyperparameters": settings})


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
