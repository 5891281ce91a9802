"""Multilingual knowledge distillation with AutoGluon AutoMM: the library under the book.

Chapters, notebooks and scripts begin with :func:`open_study`. Scripts without a study can use
:func:`fast_distillation` around a fit of their own.
"""

from typing import TYPE_CHECKING, Any

from kdbook.execution.schedule import open_study

if TYPE_CHECKING:
    from kdbook.training.fast_distillation import fast_distillation

__all__ = ["fast_distillation", "open_study"]


def __getattr__(name: str) -> Any:
    """``fast_distillation``, whose module imports AutoMM for tens of seconds, when it is asked for."""
    if name == "fast_distillation":
        from kdbook.training.fast_distillation import fast_distillation

        return fast_distillation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
