"""The progress bar of a download."""

import contextlib
from collections.abc import Callable, Iterator

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from wrn_base.live_line import ErrorConsole
from wrn_base.terminal import say, without_live_line


@contextlib.contextmanager
def show_progress(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show the progress of a download on standard error.

    Args:
        name: The name of the file.

    Yields:
        A function of the number of bytes received and the total. The total may be None.
    """
    columns = BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    # A long name on the line of the bar would leave no room for it.
    say(f'downloading {name}')
    with without_live_line(), Progress(*columns, console=ErrorConsole()) as progress:
        task = progress.add_task('', total=None)
        yield lambda received, total: progress.update(task, completed=received, total=total)
