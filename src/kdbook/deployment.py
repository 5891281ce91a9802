"""A student to ship: as ONNX in 32 and 8 bits, with its tokenizer, a model card, and the code that runs it.

What is shipped needs neither AutoMM nor torch. It is made from a run's weights and JSON files alone; no pickled object is read.
"""

import json
import shlex
import shutil
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kdbook import browser, evaluate, stats, student, words
from kdbook.data import texts
from kdbook.errors import KdbookError
from kdbook.profile import MAIN_ARMS
from kdbook.store import Run

if TYPE_CHECKING:
    from kdbook import study

OPSET = 17  # the first with layer normalization as one operator
CARD, CODE = "README.md", "student.py"
REPEATS, WARM_UPS = 200, 20
BATCH = 32
AUTOMM = "AutoMM"
NAMES = {AUTOMM: "AutoMM's predictor", student.MODEL: "ONNX, 32 bits", student.QUANTIZED: "ONNX, 8 bits"}


@dataclass(frozen=True)
class Shipped:
    """What shipping a student changes, over all test rows of its study and on the machine that exported it.

    ``different`` counts the rows that the exported model of 32 bits answers otherwise than AutoMM did, ``distance`` is the
    largest difference of probabilities. ``accuracy`` (AutoMM's answers), ``change`` (what 8 bits add to it) have intervals over
    items. ``sizes`` are bytes without the tokenizer, which all need alike; ``latencies`` median milliseconds from text to
    probabilities, one row at a time on one core. Both are by name of the model.
    """

    rows: int
    different: int
    distance: float
    accuracy: stats.Estimate
    change: stats.Estimate
    sizes: dict[str, int]
    latencies: dict[str, float]

    def table(self) -> pd.DataFrame:
        """The models by size, time and accuracy, as a page shows them."""
        accuracy = [self.accuracy.value, self.accuracy.value, self.accuracy.value + self.change.value]
        rows = zip(NAMES.items(), accuracy, strict=True)
        return pd.DataFrame(
            [
                {"model": title, "size (MB)": self.sizes[name] / 1e6, "one row (ms)": self.latencies[name], "accuracy": value}
                for (name, title), value in rows
            ]
        )


def choose(runs: Sequence[Run]) -> Run:
    """The run that does best on the validation rows; the test rows have no say."""
    return max(runs, key=lambda run: run.record["validation_accuracy"])


def export(opened: "study.Study", arms: Mapping[str, Sequence[Run]], run: Run, folder: Path) -> Shipped:
    """Write a student of a study into a new folder, in one piece, and compare its answers with AutoMM's.

    ``arms`` holds the runs of the teacher, the baseline and the distilled student, whose accuracies the model card gives.

    Raises
    ------
    KdbookError
        If the folder exists, or the student is of a kind that can't be shipped.
    """
    if folder.exists():
        raise KdbookError(f"{str(folder)!r} exists already; name a new directory")
    settings = _settings(opened, run)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _write_models(run, partial)
        (partial / student.SETTINGS).write_text(json.dumps(settings, indent=2), "utf-8")
        shutil.copyfile(_files(run) / student.TOKENIZER, partial / student.TOKENIZER)
        shutil.copyfile(student.__file__, partial / CODE)
        shipped = _compare(run, partial, opened.data["test"])
        (partial / CARD).write_text(_card(opened, arms, run, shipped), "utf-8")
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return shipped


def probabilities(shipped: student.Student, rows: pd.DataFrame) -> np.ndarray:
    """Probability of each class for every row of a frame of the study's data, shape (rows, classes), in batches of 32."""
    parts = [rows[texts(rows)].iloc[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    return np.concatenate([shipped.probabilities(*(part[column].tolist() for column in part)) for part in parts])


def _compare(run: Run, folder: Path, rows: pd.DataFrame) -> Shipped:
    stored = run.predictions
    asked = stored[["id", "language"]].merge(rows, on=["id", "language"], validate="one_to_one")
    students = {name: student.Student(folder, name == student.QUANTIZED) for name in (student.MODEL, student.QUANTIZED)}
    exact, rounded = (probabilities(one, asked) for one in students.values())
    automm = run.record["latency"]["1"]
    return Shipped(
        rows=len(stored),
        different=int((exact.argmax(axis=1) != stored["prediction"]).sum()),
        distance=float(np.abs(exact - evaluate.probabilities(stored)).max()),
        accuracy=stats.mean_accuracy([stored]),
        change=stats.difference([stored], [stored.assign(prediction=rounded.argmax(axis=1))]),
        sizes={AUTOMM: run.record["predictor_bytes"] - (_files(run) / student.TOKENIZER).stat().st_size}
        | {name: (folder / name).stat().st_size for name in students},
        latencies={AUTOMM: sum(part["median"] for part in automm.values())}
        | {name: _latency(one, asked) for name, one in students.items()},
    )


def _latency(shipped: student.Student, rows: pd.DataFrame) -> float:
    asked = islice(cycle(rows[texts(rows)].to_numpy().tolist()), WARM_UPS + REPEATS)
    seconds = []
    for row in asked:
        start = time.perf_counter()
        shipped.probabilities(*([text] for text in row))
        seconds.append(time.perf_counter() - start)
    return 1000 * median(seconds[WARM_UPS:])


def _files(run: Run) -> Path:
    return run.predictor / "hf_text"


def _settings(opened: "study.Study", run: Run) -> dict[str, Any]:
    """How texts become one row of tokens (AutoMM's ``data/process_text.py``), and what comes out is called."""
    described = json.loads((_files(run) / "tokenizer_config.json").read_text("utf-8"))
    if not (_files(run) / student.TOKENIZER).is_file():
        raise KdbookError(f"the student of {run.record['name']} has no {student.TOKENIZER}, as fast tokenizers have; it can't be shipped")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_files(run) / student.TOKENIZER))
    marks = {"start": "cls_token", "end": "sep_token", "pad": "pad_token"}
    if lacking := [token for token in marks.values() if not described.get(token)]:
        raise KdbookError(f"the tokenizer of {run.record['name']} has no {lacking[0]}, as encoders like BERT have; it can't be shipped")
    ids = {name: tokenizer.token_to_id(described[token]) for name, token in marks.items()}
    return ids | {
        "longest": run.record["identity"]["hyperparameters"]["model.hf_text.max_text_len"],
        "texts": columns(opened),
        "classes": opened.data.classes,
        "run": run.key,
    }


def columns(opened: "study.Study") -> list[str]:
    """Columns of a table in which the study's texts stand."""
    own = opened.profile.data.columns
    return list(own.texts) if own else texts(opened.data["train"])


def _card(opened: "study.Study", arms: Mapping[str, Sequence[Run]], run: Run, shipped: Shipped) -> str:
    """The model card: how this was made, what it can do by this study's numbers, and how to run it."""
    estimates = {f"{arm}, mean of {len(arms[arm])}": stats.mean_accuracy([run.predictions for run in arms[arm]]) for arm in MAIN_ARMS}
    own = {f"this student, {language}": [rows] for language, rows in run.predictions.groupby("language", sort=False)}
    estimates |= {name: stats.mean_accuracy(rows) for name, rows in own.items()} | {"this student, all": shipped.accuracy}
    template = Path(__file__).with_name("model-card.md").read_text("utf-8")
    row = opened.data["test"].iloc[0]
    example = [row[column] for column in texts(opened.data["test"])]
    return template.format(
        languages=json.dumps(opened.profile.data.languages),
        task=words.task(opened.data),
        about=opened.describe().replace("**", ""),
        arguments=shlex.join(example),
        lists=", ".join(f"[{text!r}]" for text in example),
        accuracies="\n".join(f"| {name} | {found.value:.3f} | {found.low:.3f} to {found.high:.3f} |" for name, found in estimates.items()),
        models="\n".join(f"| {NAMES[name]} | {size / 1e6:.2f} | {shipped.latencies[name]:.2f} |" for name, size in shipped.sizes.items()),
        parity=words.parity(shipped).replace("**", ""),
        run=run.key,
        versions=", ".join(f"{name} {version}" for name, version in run.record["identity"]["versions"].items()),
    )


def _write_models(run: Run, folder: Path) -> None:
    """Trace the network, simplify its graph, and round its weights to 8 bits."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    traced, exact, rounded = (folder / name for name in ("traced.onnx", student.MODEL, student.QUANTIZED))
    with warnings.catch_warnings(action="ignore"):  # of what is constant for every input, as the sizes of the network are
        network, segments = _network(run)
        inputs = [student.IDS, student.MASK, *([student.SEGMENTS] if segments else [])]
        example = tuple(torch.ones((2, 8), dtype=torch.long) for _ in inputs)
        changing = {name: {0: "rows", 1: "tokens"} for name in inputs} | {student.PROBABILITIES: {0: "rows"}}
        torch.onnx.export(
            network,
            example,
            str(traced),
            input_names=inputs,
            output_names=[student.PROBABILITIES],
            dynamic_axes=changing,
            opset_version=OPSET,
            dynamo=False,  # the other exporter needs one more package
        )
    quant_pre_process(traced, exact, skip_symbolic_shape=True, skip_onnx_shape=True)
    traced.unlink()
    quantize_dynamic(exact, rounded, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)


def _network(run: Run) -> tuple[Any, bool]:
    """Encoder and head as AutoMM puts them together, and whether it tells the texts apart by segments (``models/hf_text.py``).

    The head sees the first token.
    """
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    config = AutoConfig.from_pretrained(str(_files(run)), trust_remote_code=False)
    state = browser.weights(run)
    head = state["head.weight"]

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = AutoModel.from_config(config, attn_implementation="eager")
            self.head = torch.nn.Linear(head.shape[1], head.shape[0])

        def forward(self, ids: torch.Tensor, mask: torch.Tensor, segments: torch.Tensor | None = None) -> torch.Tensor:
            given = {} if segments is None else {student.SEGMENTS: segments}
            states = self.model(input_ids=ids, attention_mask=mask, **given).last_hidden_state
            return self.head(states[:, 0]).softmax(-1)

    network = Network().eval()
    network.load_state_dict(state)
    tokenizer = AutoTokenizer.from_pretrained(str(_files(run)), trust_remote_code=False)
    return network, student.SEGMENTS in tokenizer.model_input_names and getattr(config, "type_vocab_size", 0) > 1
