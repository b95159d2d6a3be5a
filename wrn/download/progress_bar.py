"""The progress bar of a download."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


@contextlib.contextmanager
def show_progress(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show on standard error how far a download is.

    Args:
        name: The name of the file.

    Yields:
        A function to call with the number of bytes that there are, and that of the whole file,
        None if it is not known.
    """
    columns = (
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    # On a line of its own: names are too long to leave room for the bar beside them.
    console.print(f'Downloading {name}', markup=False, highlight=False, soft_wrap=True)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task('', total=None)
        yield lambda have, total: progress.update(task, completed=have, total=total)
