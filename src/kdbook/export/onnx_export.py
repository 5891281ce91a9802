"""Export a student as ONNX in 32 and 8 bits, with its tokenizer, a model card, and the code that runs it.

The export needs neither AutoMM nor torch to run. It is made from a run's weights and JSON files alone.
"""

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kdbook.atomic import atomic
from kdbook.data import TextData, texts
from kdbook.errors import KdbookError
from kdbook.export import latency, student, weights
from kdbook.export.report import AUTOMM, ExportReport, model_card
from kdbook.paths import exists, writing
from kdbook.stats import bootstrap
from kdbook.stats import predictions as stored_predictions
from kdbook.store.run import Run

OPSET = 17  # the first with layer normalization as one operator
CARD = "README.md"
CODE = "student.py"
MARKS = {"start": "cls_token", "end": "sep_token", "pad": "pad_token"}


def choose(runs: Sequence[Run]) -> Run:
    """The run with the best validation accuracy; test rows are not used."""
    return max(runs, key=lambda run: run.measurements.validation_score)


def export_student(
    run: Run,
    folder: Path,
    data: TextData,
    others: Mapping[str, Sequence[Run]] | None = None,
    *,
    about: str = "",
    columns: Sequence[str] | None = None,
    batches: Sequence[int] = latency.ROWS,
) -> ExportReport:
    """Write a student into a new folder, atomically, and compare its predictions with AutoMM's.

    Parameters
    ----------
    run
        The student.
    folder
        A path that does not exist yet.
    data
        The rows of the run's study; those for testing are predicted and timed.
    others
        The runs of some arms, whose accuracies the model card states.
    about
        What the study is about, Markdown for the model card.
    columns
        Columns with texts in the files that the student will predict; default: those of ``data``.
    batches
        Numbers of rows for which latencies are measured.

    Raises
    ------
    KdbookError
        If the folder exists, or the student is of a kind that can't be exported.
    """
    if exists(folder):
        raise KdbookError(f"{str(folder)!r} exists already; name a new directory")
    settings = _settings(run, data.classes, columns or texts(data["test"]))
    with writing(folder), atomic(folder) as partial:
        partial.mkdir(parents=True)
        with warnings.catch_warnings(action="ignore"):  # libraries warn about themselves
            network, uses_segments = torch_network(run)
        _write_models(network, uses_segments, partial)
        (partial / student.SETTINGS).write_text(json.dumps(settings, indent=2), "utf-8")
        shutil.copyfile(weights.encoder_folder(run) / student.TOKENIZER, partial / student.TOKENIZER)
        shutil.copyfile(student.__file__, partial / CODE)
        report = _compare(run, latency.runtimes(network, partial), partial, data["test"], batches)
        card = model_card(run, report, data, others or {}, about)
        (partial / CARD).write_text(card, "utf-8")
    return report


def _compare(
    run: Run,
    runtimes: Mapping[str, latency.Runtime],
    folder: Path,
    rows: pd.DataFrame,
    batches: Sequence[int],
) -> ExportReport:
    stored = run.predictions
    test_rows = stored[["id", "language"]].merge(rows, on=["id", "language"], validate="one_to_one")
    exact, in_8_bits = (
        runtimes[name](*latency.columns_of(test_rows)) for name in (student.MODEL, student.QUANTIZED)
    )
    classes = np.array(stored_predictions.trained_classes(stored))
    rounded = stored.assign(prediction=classes[in_8_bits.argmax(axis=1)])
    tokenizer_bytes = (folder / student.TOKENIZER).stat().st_size
    return ExportReport(
        rows=len(stored),
        different=int((classes[exact.argmax(axis=1)] != stored["prediction"]).sum()),
        distance=float(np.abs(exact - stored_predictions.probabilities(stored)[:, classes]).max()),
        accuracy=bootstrap.mean_score([stored]),
        rounded_accuracy=bootstrap.mean_score([rounded]),
        change=bootstrap.difference([stored], [rounded]),
        sizes={AUTOMM: run.measurements.predictor_bytes - tokenizer_bytes}
        | {name: (folder / name).stat().st_size for name in (student.MODEL, student.QUANTIZED)},
        latencies=latency.measure(runtimes, test_rows, sizes=batches),
    )


def _settings(run: Run, classes: Sequence[str], columns: Sequence[str]) -> dict[str, object]:
    """How texts become one row of tokens (AutoMM's ``data/process_text.py``), and the names of the
    classes.
    """
    from tokenizers import Tokenizer

    encoder = weights.encoder_folder(run)
    tokens = weights.read_json(encoder / "tokenizer_config.json")
    if not (encoder / student.TOKENIZER).is_file():
        raise KdbookError(
            f"the student of {run.name} has no {student.TOKENIZER}, which fast tokenizers have; it can't "
            "be exported"
        )
    if missing := [token for token in MARKS.values() if not tokens.get(token)]:
        raise KdbookError(
            f"the tokenizer of {run.name} has no {missing[0]}, which encoders like BERT have; it can't be "
            "exported"
        )
    tokenizer = Tokenizer.from_file(str(encoder / student.TOKENIZER))
    return {name: tokenizer.token_to_id(tokens[token]) for name, token in MARKS.items()} | {
        "longest": weights.max_tokens(run),
        "texts": list(columns),
        "classes": [classes[number] for number in stored_predictions.trained_classes(run.predictions)],
        "run": run.key,
    }


def _write_models(network: Any, uses_segments: bool, folder: Path) -> None:
    """Trace the network, fuse operators of its graph, and round its weights to 8 bits."""
    traced, prepared, exact, rounded = (
        folder / name for name in ("traced.onnx", "prepared.onnx", student.MODEL, student.QUANTIZED)
    )
    # Libraries warn about values that are constant for every input, and about themselves.
    with warnings.catch_warnings(action="ignore"):
        from onnx import TensorProto
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from onnxruntime.quantization.shape_inference import quant_pre_process

        _trace(network, uses_segments, traced)
        quant_pre_process(traced, prepared, skip_symbolic_shape=True, skip_onnx_shape=True)
        _fuse(prepared, exact, network.model.config)
        quantize_dynamic(
            exact,
            rounded,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            # the types of what fused operators give can't be inferred
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )
    for path in (traced, prepared):
        path.unlink()


def _trace(network: Any, uses_segments: bool, path: Path) -> None:
    import torch

    inputs = [student.IDS, student.MASK, *([student.SEGMENTS] if uses_segments else [])]
    example = tuple(torch.ones((2, 8), dtype=torch.long) for _ in inputs)
    axes = {name: {0: "rows", 1: "tokens"} for name in inputs} | {student.PROBABILITIES: {0: "rows"}}
    torch.onnx.export(
        network,
        example,
        str(path),
        input_names=inputs,
        output_names=[student.PROBABILITIES],
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,  # the other exporter needs one more package
    )


def _fuse(source: Path, target: Path, config: Any) -> None:
    """Replace what attention consists of by one operator, in networks of a kind that onnxruntime knows."""
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    options = FusionOptions("bert")
    options.enable_skip_layer_norm = options.enable_bias_skip_layer_norm = False  # see student.SLOW
    optimized = optimize_model(
        str(source),
        "bert",
        num_heads=getattr(config, "num_attention_heads", 0),
        hidden_size=getattr(config, "hidden_size", 0),
        optimization_options=options,
        opt_level=0,
    )
    optimized.save_model_to_file(str(target))


def torch_network(run: Run) -> tuple[Any, bool]:
    """Encoder and head as AutoMM combines them, and whether segments tell the texts apart
    (``models/hf_text.py``).

    The head sees the first token, or the mean of all.
    """
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    encoder = str(weights.encoder_folder(run))
    config = AutoConfig.from_pretrained(encoder, trust_remote_code=False)
    state = weights.read(run)
    head = state["head.weight"]  # (classes, width)
    pools_mean = weights.pooling(run) == "mean"
    has_segments = getattr(config, "type_vocab_size", 0) > 0

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = AutoModel.from_config(config, attn_implementation="eager")
            self.head = torch.nn.Linear(head.shape[1], head.shape[0])

        def forward(
            self, ids: torch.Tensor, mask: torch.Tensor, segments: torch.Tensor | None = None
        ) -> torch.Tensor:
            if segments is None and has_segments:
                segments = torch.zeros_like(ids)  # the encoder would look the same up in many small steps
            extra = {} if segments is None else {student.SEGMENTS: segments}
            states = self.model(
                input_ids=ids, attention_mask=mask, **extra
            ).last_hidden_state  # (rows, tokens, width)
            if pools_mean:
                weight = mask.to(states.dtype).unsqueeze(1)  # (rows, 1, tokens)
                features = (weight @ states).squeeze(1) / weight.sum(2)  # (rows, width)
            else:
                features = states[:, 0]
            return torch.softmax(self.head(features), -1)

    network = Network().eval()
    network.load_state_dict(state)
    tokenizer = AutoTokenizer.from_pretrained(encoder, trust_remote_code=False)
    return network, student.SEGMENTS in tokenizer.model_input_names and getattr(
        config, "type_vocab_size", 0
    ) > 1
