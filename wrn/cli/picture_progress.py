"""The progress bar of many pictures."""

import contextlib
from collections.abc import Callable, Iterator

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
    """Pictures a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text('' if speed is None else f'{speed:.1f} images/s')


@contextlib.contextmanager
def picture_progress(total: int | None, done: int, batch_size: int) -> Iterator[Callable[[], None]]:
    """Show on standard error how many pictures are done, how fast, and how long it will take.

    Args:
        total: How many there are; None if that is not known.
        done: How many were done before.
        batch_size: How many are done at a time; where there are no more, nothing is shown.

    Yields:
        A function to call after each picture.
    """
    columns = (
        TextColumn('Predicting'),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
    )
    hidden = total is not None and total <= batch_size
    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=hidden
    ) as progress:
        task = progress.add_task('', total=total, completed=done)
        yield lambda: progress.advance(task)
