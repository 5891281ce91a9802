"""Multilingual knowledge distillation with AutoGluon AutoMM: the library under the book.

Chapters, notebooks and scripts begin with :func:`open_study`.
"""

from kdbook.execution.schedule import open_study

__all__ = ["open_study"]
