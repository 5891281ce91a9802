"""A student on its own: sentence pairs in, probabilities out, with numpy, onnxruntime and tokenizers and nothing else.

``kdbook export-student`` puts a copy of this file beside the model, to be taken into any program:

    python student.py "Anna paid Boris ." "Boris was paid by Anna ."
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

MODEL, QUANTIZED, TOKENIZER, SETTINGS = "model.onnx", "model_int8.onnx", "tokenizer.json", "settings.json"
IDS, MASK, PROBABILITIES = "input_ids", "attention_mask", "probabilities"


class Student:
    """An exported student.

    Parameters
    ----------
    folder
        What ``kdbook export-student`` wrote.
    quantized
        Take the weights of 8 bits instead of those of 32.
    threads
        Processor cores to compute on.
    """

    def __init__(self, folder: Path | str, quantized: bool = True, threads: int = 1) -> None:
        folder = Path(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        model = folder / (QUANTIZED if quantized else MODEL)
        self.session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.settings = json.loads((folder / SETTINGS).read_text("utf-8"))

    def probabilities(self, first: Sequence[str], second: Sequence[str]) -> np.ndarray:
        """Probability that the sentences of each pair mean the same, shape (pairs,); the pairs are computed as one batch."""
        tokens = [self.tokenizer.encode_batch(list(texts), add_special_tokens=False) for texts in (first, second)]
        rows = [self._join(one.ids, other.ids) for one, other in zip(*tokens, strict=True)]
        ids = np.full((len(rows), max(map(len, rows))), self.settings["pad"], np.int64)
        mask = np.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            mask[number, : len(row)] = 1
        return self.session.run([PROBABILITIES], {IDS: ids, MASK: mask})[0][:, 1]

    def _join(self, first: list[int], second: list[int]) -> list[int]:
        """Both texts with a mark before, between and behind; as in AutoMM, the longer one loses its end until they fit."""
        room = self.settings["longest"] - 3
        kept = min(len(first), max(room - len(second), (room + 1) // 2))
        start, end = self.settings["start"], self.settings["end"]
        return [start, *first[:kept], end, *second[: room - kept], end]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit('usage: python student.py "first sentence" "second sentence"')
    probability = Student(Path(__file__).parent).probabilities([sys.argv[1]], [sys.argv[2]])[0]
    print(f"{probability:.3f} that they mean the same")
