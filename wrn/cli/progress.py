"""The progress of many pictures."""

import math

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_LINE_SECONDS = 60  # from one line to the next, where there is no terminal


class _RateColumn(ProgressColumn):
    """How many pictures a second are done."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text('' if rate is None else f'{rate:.1f} images/s', style='progress.data.speed')


class ImageProgress(Progress):
    """How many pictures are done, how fast, and the time left, on standard error.

    A bar on a terminal; elsewhere, as in the log of a job, a line a minute.

    Args:
        hidden: Whether there is too little to do for one. Defaults to False.
    """

    def __init__(self, hidden: bool = False) -> None:
        console = Console(stderr=True)
        terminal = console.is_terminal
        super().__init__(
            TextColumn('{task.description}'),
            *([BarColumn()] if terminal else []),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=hidden or not terminal,
        )
        self._next_line = math.inf if hidden or terminal else self.get_time() + _LINE_SECONDS

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Count further pictures of a task.

        Args:
            task_id: The task.
            advance: How many pictures. Defaults to 1.
        """
        super().advance(task_id, advance)
        if (now := self.get_time()) >= self._next_line:
            self._next_line = now + _LINE_SECONDS
            self.console.print(self.get_renderable())
