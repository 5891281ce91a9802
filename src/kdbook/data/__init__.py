"""Texts, or pairs of texts, for training, validation and test, from any source, audited."""

from kdbook.data.audit import texts
from kdbook.data.dataset import SPLITS, UNLABELLED, TextData, digest_rows, inputs
from kdbook.data.load import load

__all__ = ["SPLITS", "UNLABELLED", "TextData", "digest_rows", "inputs", "load", "texts"]
