"""A student on its own: texts in, probabilities out, with numpy, onnxruntime and tokenizers and nothing else.

``kdbook export-student`` puts a copy of this file beside the model, to be taken into any program. Its arguments are one text,
or two where the student reads pairs:

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
IDS, MASK, SEGMENTS, PROBABILITIES = "input_ids", "attention_mask", "token_type_ids", "probabilities"


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

    @property
    def columns(self) -> list[str]:
        """Columns of a table that hold the texts."""
        return self.settings["texts"]

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of their probabilities."""
        return self.settings["classes"]

    def probabilities(self, *texts: Sequence[str]) -> np.ndarray:
        """Probability of each class for every row, shape (rows, classes); the rows are computed as one batch.

        ``texts`` are the texts of all rows, or for pairs the first ones and the second ones.
        """
        tokens = [[one.ids for one in self.tokenizer.encode_batch(list(part), add_special_tokens=False)] for part in texts]
        rows = [self._join(*parts) for parts in zip(*tokens, strict=True)]
        empty = {IDS: self.settings["pad"], MASK: 0, SEGMENTS: 0}
        shape = len(rows), max(len(row) for row, _ in rows)
        inputs = {one.name: np.full(shape, empty[one.name], np.int64) for one in self.session.get_inputs()}
        for number, (row, second) in enumerate(rows):
            inputs[IDS][number, : len(row)] = row
            inputs[MASK][number, : len(row)] = 1
            if SEGMENTS in inputs:
                inputs[SEGMENTS][number, second : len(row)] = 1
        return self.session.run([PROBABILITIES], inputs)[0]

    def _join(self, first: list[int], second: list[int] | None = None) -> tuple[list[int], int]:
        """The texts with a mark before, between and behind, and where the second begins; as in AutoMM, the longer one is cut to fit."""
        start, end, longest = (self.settings[name] for name in ("start", "end", "longest"))
        if second is None:
            row = [start, *first[: longest - 2], end]
            return row, len(row)
        room = longest - 3
        kept = min(len(first), max(room - len(second), (room + 1) // 2))
        return [start, *first[:kept], end, *second[: room - kept], end], kept + 2


if __name__ == "__main__":
    shipped = Student(Path(__file__).parent)
    if len(sys.argv) != 1 + len(shipped.columns):
        sys.exit(f"usage: python student.py {' '.join(json.dumps(name) for name in shipped.columns)}")
    for probability, name in zip(shipped.probabilities(*([text] for text in sys.argv[1:]))[0], shipped.classes, strict=True):
        print(f"{probability:.3f} {name}")
