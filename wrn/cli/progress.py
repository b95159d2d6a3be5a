"""Progress bars, which become lines where standard error is not a terminal."""

import math
from typing import Any

from rich import progress
from rich.text import Text

from wrn_base.live_line import ErrorConsole, is_interactive

_LINE_SECONDS = 60  # between lines


class _RateColumn(progress.ProgressColumn):
    """The throughput in images/s."""

    def render(self, task: progress.Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text('' if rate is None else f'{rate:.1f} images/s', style='progress.data.speed')


class ImageProgress(progress.Progress):
    """The number of images done, the throughput, and the time left, on standard error.

    In a terminal it is a bar; elsewhere, such as in the log of a job, it is a line a minute.

    Args:
        hidden: Whether to show nothing. Defaults to False.
    """

    def __init__(self, hidden: bool = False) -> None:
        terminal = is_interactive()
        super().__init__(
            progress.TextColumn('{task.description}'),
            *([progress.BarColumn()] if terminal else []),
            progress.MofNCompleteColumn(),
            _RateColumn(),
            progress.TimeRemainingColumn(),
            console=ErrorConsole(),
            transient=True,
            disable=hidden or not terminal,
        )
        self._next_line = math.inf if hidden or terminal else self.get_time() + _LINE_SECONDS

    def add_task(self, description: str, *args: Any, **kwargs: Any) -> progress.TaskID:
        """Add a task. Its throughput is measured from here on, as rich does between two samples.

        The first sample would otherwise be the first image. Threads have decoded others by then.

        Args:
            description: The name of the task.
            *args: The other arguments of :meth:`rich.progress.Progress.add_task`.
            **kwargs: As ``*args``.
        """
        task = super().add_task(description, *args, **kwargs)
        super().advance(task, 0)
        return task

    def advance(self, task_id: progress.TaskID, advance: float = 1) -> None:
        """Count images of a task as done.

        Args:
            task_id: The task.
            advance: The number of images. Defaults to 1.
        """
        super().advance(task_id, advance)
        if (now := self.get_time()) >= self._next_line:
            self._next_line = now + _LINE_SECONDS
            self.console.print(self.get_renderable())
