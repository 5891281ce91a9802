"""An exported student: texts in, probabilities out, with numpy, onnxruntime and tokenizers and nothing else.

``kdbook export-student`` puts a copy of this file beside the model, for use in any program. On the command
line it takes one text, or two if the student reads pairs:

    python student.py "Anna paid Boris ." "Boris was paid by Anna ."
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

MODEL = "model.onnx"
QUANTIZED = "model_int8.onnx"
TOKENIZER = "tokenizer.json"
SETTINGS = "settings.json"
# the settings and their types
KEYS = {"texts": list, "classes": list, "start": int, "end": int, "longest": int, "pad": int}
IDS = "input_ids"
MASK = "attention_mask"
SEGMENTS = "token_type_ids"
PROBABILITIES = "probabilities"
BATCH = 8  # rows of about the same length that are computed at once: with little padding, and in the cache
SLOW = ["SkipLayerNormFusion"]  # its operator takes longer on processors than those that it replaces

TokenizedRow = tuple[list[int], int]  # its tokens, and the position of its second text


class Student:
    """An exported student.

    Parameters
    ----------
    folder
        The directory that ``kdbook export-student`` wrote.
    quantized
        Whether to use the 8-bit weights instead of the 32-bit ones.
    threads
        Processor cores to compute on: a batch on each, or a single one on all.
    """

    def __init__(self, folder: Path | str, quantized: bool = True, threads: int = 1) -> None:
        folder = Path(folder)
        self.model = folder / (QUANTIZED if quantized else MODEL)
        for path in (self.model, folder / TOKENIZER, folder / SETTINGS):
            if not path.is_file():
                raise FileNotFoundError(f"{path} is missing")
        self.threads = threads
        self._start()
        self.inputs = [each.name for each in self._session(1).get_inputs()]
        self.tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.tokenizer.post_processor = None  # marks are added below
        self.settings = json.loads((folder / SETTINGS).read_text("utf-8"))
        self._check(folder / SETTINGS)

    def _start(self) -> None:
        """Begin without threads and sessions; those of a parent process do not work in a forked child."""
        self._process = os.getpid()
        self._pool = ThreadPoolExecutor(self.threads)
        self._sessions: dict[int, onnxruntime.InferenceSession] = {}

    def _check(self, path: Path) -> None:
        """Refuse settings or a tokenizer that do not belong to the model."""
        for name, kind in KEYS.items():
            value = self.settings.get(name) if isinstance(self.settings, dict) else None
            names = value if isinstance(value, list) else []
            if type(value) is not kind or not all(isinstance(each, str) for each in names):
                raise ValueError(f"{path}: {name!r} is missing or not of the type {kind.__name__}")
        last = self.tokenizer.get_vocab_size() - 1
        try:
            classes = self._compute([([self.settings["start"], last, self.settings["end"]], 2)]).shape[1]
        except Exception as error:  # onnxruntime's errors share no class
            raise ValueError(f"{self.model} does not fit {TOKENIZER}, which has {last + 1} words") from error
        if classes != len(self.classes):
            raise ValueError(f"{path} names {len(self.classes)} classes, and the model has {classes}")

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

        Raises
        ------
        TypeError, ValueError
            If these are not as many lists of texts as the student has columns, all of one length.
        """
        rows = self._tokenize(self._checked(texts))
        if self._process != os.getpid():
            self._start()
        by_length = sorted(range(len(rows)), key=lambda number: len(rows[number][0]))
        batches = [by_length[start : start + BATCH] for start in range(0, len(rows), BATCH)]
        computed = self._compute_all([[rows[number] for number in batch] for batch in batches])
        result = np.empty((len(rows), len(self.classes)), np.float32)
        for batch, probabilities in zip(batches, computed, strict=True):
            result[batch] = probabilities
        return result

    def encode(self, *texts: Sequence[str]) -> dict[str, np.ndarray]:
        """The inputs of the network for all rows as one batch, each of shape (rows, tokens).

        Parameters and errors are those of :meth:`probabilities`.
        """
        return self._pad(self._tokenize(self._checked(texts)))

    def _checked(self, texts: Sequence[Sequence[str]]) -> list[list[str]]:
        """The texts as lists, one for each column."""
        if any(isinstance(column, str | bytes) or hasattr(column, "columns") for column in texts):
            raise TypeError("give lists of texts, not a single text or a table")
        columns = [list(column) for column in texts]
        names, lengths = ", ".join(self.columns), {len(column) for column in columns}
        if len(columns) != len(self.columns):
            raise ValueError(f"give {len(self.columns)} lists of texts ({names}), not {len(columns)}")
        if len(lengths) > 1:
            raise ValueError(f"the lists of texts ({names}) differ in length")
        wrong = [text for column in columns for text in column if not isinstance(text, str)]
        if wrong:
            raise TypeError(f"{wrong[0]!r} is not a text")
        return columns

    def _compute_all(self, batches: Sequence[Sequence[TokenizedRow]]) -> Iterable[np.ndarray]:
        """Probabilities of shape (rows, classes) for each batch."""
        if len(batches) == 1 or self.threads == 1:
            return (self._compute(batch, self.threads) for batch in batches)
        return self._pool.map(self._compute, batches)

    def _compute(self, batch: Sequence[TokenizedRow], threads: int = 1) -> np.ndarray:
        probabilities: np.ndarray = self._session(threads).run([PROBABILITIES], self._pad(batch))[0]
        return probabilities

    def _tokenize(self, texts: Iterable[list[str]]) -> list[TokenizedRow]:
        """The tokens of each row, from its column or columns of texts."""
        columns = (self.tokenizer.encode_batch_fast(column, add_special_tokens=False) for column in texts)
        return [self._join(*(text.ids for text in row)) for row in zip(*columns, strict=True)]

    def _pad(self, rows: Sequence[TokenizedRow]) -> dict[str, np.ndarray]:
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

    def _session(self, threads: int) -> onnxruntime.InferenceSession:
        """The loaded model, which computes a batch with so many threads."""
        if threads not in self._sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.log_severity_level = 4  # errors are raised, and not printed as well
            self._sessions[threads] = onnxruntime.InferenceSession(
                str(self.model), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW
            )
        return self._sessions[threads]

    def _join(self, first: list[int], second: list[int] | None = None) -> TokenizedRow:
        """A row with marks before, between and after its texts.

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
