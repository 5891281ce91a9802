"""Prose that is true of some data only."""

from typing import get_args

from kdbook.settings.data import Task

TASKS: tuple[str, ...] = get_args(Task)


def is_shown(condition: str, task: Task) -> bool:
    """Whether prose for the task named by ``condition`` is shown in a book about ``task``.

    Raises
    ------
    ValueError
        If there is no such task.
    """
    if condition not in TASKS:
        raise ValueError(f"there is no task {condition!r}. Choose from: {', '.join(TASKS)}")
    return condition == task
