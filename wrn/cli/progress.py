"""The progress bar of many pictures."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _RateColumn(ProgressColumn):
    """How many pictures a second are done."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text('' if rate is None else f'{rate:.1f} images/s', style='progress.data.speed')


def picture_progress(hidden: bool = False) -> Progress:
    """Make a progress bar that shows pictures per second, on standard error if it is a terminal.

    Args:
        hidden: Whether there is too little to do for one. Defaults to False.

    Returns:
        The progress bar, without a task.
    """
    console = Console(stderr=True)
    return Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=hidden or not console.is_terminal,
    )
