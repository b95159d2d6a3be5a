"""Compute records of images, and write them to a file that an interrupted run can resume."""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from wrn.cli.inputs import InputImages
from wrn.cli.progress import ImageProgress
from wrn.data.images import ImageLike
from wrn.results.partial_file import PartialFile
from wrn.results.record import Record
from wrn_base.credentials import mask_credentials
from wrn_base.errors import count
from wrn_base.terminal import say


def describe_run(command: str, args: argparse.Namespace, *options: str) -> dict[str, Any]:
    """Return what the results of a command depend on, to recognize its partial file.

    Args:
        command: The name of the command.
        args: The arguments of :data:`wrn_base.options.INFERENCE_ARGUMENTS`.
        *options: The names of the command's own arguments that the results depend on.

    Returns:
        The command, the values of the arguments, and the size and time of the weights files.
    """
    keys = ('inputs', 'model', 'checkpoint', 'backend', 'precision', 'calibration', *options)
    files = [_state(path) for path in (args.model, args.checkpoint)]
    values = {key: _mask(getattr(args, key)) for key in keys}
    return dict(command=command, **values, files=files)


def describe_failed(failed: int, done: int) -> str:
    """Return the number of images that could not be read, and what to do about them."""
    them = 'it' if failed == 1 else 'them'
    return f'{failed} of {count(done, "image")} could not be read; remove or replace {them}'


def _mask(value: Any) -> Any:
    """Mask credentials, which have no place in the file, and differ the next day."""
    if isinstance(value, list):
        return [_mask(item) for item in value]
    return mask_credentials(value) if isinstance(value, str) else value


def _state(path: str | None) -> list[int] | None:
    if path is None or not Path(path).is_file():
        return None
    stat = Path(path).stat()
    return [stat.st_size, stat.st_mtime_ns]


@dataclass
class ImageJob:
    """Compute a record of each image.

    Attributes:
        title: The name of the progress bar.
        compute: Yields a record of each of the given images, in order.
        images: The images.
        batch_size: The number of images in a batch.
        named: How many unreadable images to name on standard error. Defaults to all.
        done: The number of images that this run has computed. Starts at 0.
        failed: The number of those that could not be read. Starts at 0.
    """

    title: str
    compute: Callable[[Iterable[ImageLike]], Iterator[Record]]
    images: InputImages
    batch_size: int
    named: int = sys.maxsize
    done: int = 0
    failed: int = 0

    def records(self, images: Iterable[ImageLike], earlier: int = 0) -> Iterator[Record]:
        """Compute the records of images, in order.

        Args:
            images: The images that are left to do.
            earlier: The number of images that an interrupted run has done. Defaults to 0.
        """
        total = self.images.total
        single_batch = total is not None and total <= self.batch_size
        with ImageProgress(hidden=single_batch or self.images.shard.index > 0) as progress:
            task = progress.add_task(self.title, total=total, completed=earlier)
            for record in self.compute(images):
                self.done += 1
                if 'error' in record:
                    if self.failed < self.named:
                        say(record['error'])
                    self.failed += 1
                yield record
                progress.advance(task)

    def write(self, results: PartialFile) -> None:
        """Write the records to a file, and resume an interrupted run.

        Args:
            results: The file.

        Raises:
            WrnError: As :meth:`PartialFile.resumed` does.
        """
        try:
            with results.resumed(self.images) as rest:
                if results.done:
                    say(f'resuming after {count(results.done, "image")}')
                records = self.records(rest, results.done)
                while batch := list(islice(records, self.batch_size)):
                    results.add(batch)
        except KeyboardInterrupt:
            number = count(results.done, 'image')
            raise KeyboardInterrupt(
                f'stopped after {number}; run the same command to resume'
            ) from None
