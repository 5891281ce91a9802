"""An exported student: texts in, probabilities out, with numpy, onnxruntime and tokenizers and nothing else.

``kdbook export-student`` puts a copy of this file beside the model, for use in any program. On the command
line it takes one text, or two if the student reads pairs:

    python student.py "Anna paid Boris ." "Boris was paid by Anna ."
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

MODEL = "model.onnx"
QUANTIZED = "model_int8.onnx"
TOKENIZER = "tokenizer.json"
SETTINGS = "settings.json"
IDS = "input_ids"
MASK = "attention_mask"
SEGMENTS = "token_type_ids"
PROBABILITIES = "probabilities"
BATCH = 8  # rows of about the same length that are computed at once: with little padding, and in the cache
SLOW = ["SkipLayerNormFusion"]  # its operator takes longer on processors than those that it replaces


class Student:
    """An exported student.

    Parameters
    ----------
    folder
        The directory that ``kdbook export-student`` wrote.
    quantized
        Whether to use the 8-bit weights instead of the 32-bit ones.
    threads
        Processor cores to compute on.
    """

    def __init__(self, folder: Path | str, quantized: bool = True, threads: int = 1) -> None:
        folder = Path(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        model = folder / (QUANTIZED if quantized else MODEL)
        self.session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW
        )
        self.inputs = [each.name for each in self.session.get_inputs()]
        self.batch_size = BATCH
        self.tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.tokenizer.post_processor = None  # marks are added below
        self.settings = json.loads((folder / SETTINGS).read_text("utf-8"))

    @property
    def columns(self) -> list[str]:
        """Columns of a table that contain the texts."""
        return list(self.settings["texts"])

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of their probabilities."""
        return list(self.settings["classes"])

    def probabilities(self, *texts: Sequence[str]) -> np.ndarray:
        """Probability of each class for every row, shape (rows, classes).

        Rows of about the same length are computed together. In 8 bits, a batch has one scale for its
        activations, so the probabilities of a row depend a little on the rows beside it.

        Parameters
        ----------
        texts
            The texts of all rows; for pairs, the first texts and the second texts.
        """
        rows = self._tokenize(texts)
        by_length = sorted(range(len(rows)), key=lambda number: len(rows[number][0]))
        result = np.empty((len(rows), len(self.classes)), np.float32)
        for start in range(0, len(rows), self.batch_size):
            batch = by_length[start : start + self.batch_size]
            result[batch] = self._run(self._pad([rows[number] for number in batch]))
        return result

    def _tokenize(self, texts: Sequence[Sequence[str]]) -> list[tuple[list[int], int]]:
        """The tokens of each row, and the position of its second text."""
        flat = [text for column in texts for text in column]
        tokens = [each.ids for each in self.tokenizer.encode_batch_fast(flat, add_special_tokens=False)]
        rows = len(flat) // len(texts)
        columns = [tokens[start : start + rows] for start in range(0, len(flat), rows or 1)]
        return [self._join(*row) for row in zip(*columns, strict=True)]

    def _pad(self, rows: Sequence[tuple[list[int], int]]) -> dict[str, np.ndarray]:
        """The inputs of the network, each of shape (rows, tokens)."""
        padding = {IDS: self.settings["pad"], MASK: 0, SEGMENTS: 0}
        shape = len(rows), max(len(row) for row, _ in rows)
        inputs = {name: np.full(shape, padding[name], np.int64) for name in self.inputs}
        for number, (row, second) in enumerate(rows):
            inputs[IDS][number, : len(row)] = row
            inputs[MASK][number, : len(row)] = 1
            if SEGMENTS in inputs:
                inputs[SEGMENTS][number, second : len(row)] = 1
        return inputs

    def _run(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Probabilities of shape (rows, classes)."""
        probabilities: np.ndarray = self.session.run([PROBABILITIES], inputs)[0]
        return probabilities

    def _join(self, first: list[int], second: list[int] | None = None) -> tuple[list[int], int]:
        """The tokens of a row with marks before, between and after its texts, and the position of the second
        text.

        As in AutoMM, the longer of two texts is cut until both fit. So the first one keeps what the second
        leaves of the room, at least half of it rounded up, and never more than it has; the second gets the
        rest.
        """
        start, end, longest = (self.settings[name] for name in ("start", "end", "longest"))
        if second is None:
            row = [start, *first[: longest - 2], end]
            return row, len(row)
        room = longest - 3
        kept = min(len(first), max(room - len(second), (room + 1) // 2))
        return [start, *first[:kept], end, *second[: room - kept], end], kept + 2


if __name__ == "__main__":
    student = Student(Path(__file__).parent)
    if len(sys.argv) != 1 + len(student.columns):
        sys.exit(f"usage: python student.py {' '.join(json.dumps(name) for name in student.columns)}")
    for class_name, share in zip(
        student.classes, student.probabilities(*([text] for text in sys.argv[1:]))[0], strict=True
    ):
        print(f"{share:.3f} {class_name}")
