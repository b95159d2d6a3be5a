"""Compute the records of many images, and write a file of them that can be resumed."""

import argparse
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from wrn.cli.progress import ImageProgress
from wrn.data.images import ImageLike, LeftOut, count_images, find_images
from wrn.results.partial_file import PartialFile
from wrn.results.record import Record
from wrn.utils.errors import ImageReadError, some


def describe_run(command: str, args: argparse.Namespace, *options: str) -> dict[str, Any]:
    """Return what the results of a command depend on, to recognise its partial file.

    Args:
        command: The name of the command.
        args: The arguments, with those of :func:`wrn.cli.backend_options.add_engine_arguments`.
        *options: The command's other arguments that the results depend on.

    Returns:
        The command, the values of the arguments, and the size and time of the files among them.
    """
    keys = ('inputs', 'model', 'checkpoint', 'backend', 'precision', 'calibration', *options)
    files = [_state(path) for path in (args.model, args.checkpoint)]
    return dict(command=command, **{key: getattr(args, key) for key in keys}, files=files)


def _state(path: str | None) -> list[int] | None:
    if path is None or not Path(path).is_file():
        return None
    stat = Path(path).stat()
    return [stat.st_size, stat.st_mtime_ns]


class InputImages:
    """The images that the inputs of a command stand for.

    Args:
        inputs: What :func:`wrn.data.images.find_images` takes.

    Attributes:
        total: The number of images; None if it is unknown.
    """

    def __init__(self, inputs: Sequence[str]) -> None:
        self._inputs = inputs
        self._counted, self._read = LeftOut(), LeftOut()
        self.total = count_images(inputs, self._counted)

    def __iter__(self) -> Iterator[ImageLike]:
        return find_images(self._inputs, self._read)

    def report_left_out(self) -> None:
        """Print which files were left out, in one line, if there are any."""
        # Those that were counted first: later the results of the command may lie among them.
        if left_out := self._read if self.total is None else self._counted:
            print(f'wrn: {some(self._inputs)}: {left_out}', file=sys.stderr)


@dataclass
class ImageJob:
    """What a command computes of many images.

    Attributes:
        title: The name of its progress bar.
        stream: Yields a result or an :class:`ImageReadError` for each image, given the images, the
            batch size and the number of workers.
        describe: Makes a record from the name of an image and its result.
        args: The arguments, with ``batch_size`` and ``workers``.
        total: The number of images, if it is known.
        hidden: Whether to hide the progress, as is done for a single batch. Defaults to False.
    """

    title: str
    stream: Callable[[Iterable[ImageLike], int, int], Iterable[Any]]
    describe: Callable[[str, Any], Record]
    args: argparse.Namespace
    total: int | None
    hidden: bool = False

    def records(self, images: Iterable[ImageLike], done: int = 0) -> Iterator[Record]:
        """Compute the records of images, in order.

        Args:
            images: The images.
            done: How many of the total are done already. Defaults to 0.
        """
        names: deque[str] = deque()

        def named() -> Iterator[ImageLike]:
            for image in images:
                names.append(str(image))
                yield image

        few = self.total is not None and self.total <= self.args.batch_size
        with ImageProgress(self.hidden or few) as progress:
            task = progress.add_task(self.title, total=self.total, completed=done)
            for result in self.stream(named(), self.args.batch_size, self.args.workers):
                name = names.popleft()
                if isinstance(result, ImageReadError):
                    yield Record(img_path=name, error=str(result))
                else:
                    yield self.describe(name, result)
                progress.advance(task)

    def write(
        self, results: PartialFile, images: Iterable[ImageLike], named: int = sys.maxsize
    ) -> int:
        """Write the records to a file, resuming an interrupted run.

        Args:
            results: The file.
            images: All images.
            named: How many unreadable images to name on standard error. Defaults to all.

        Returns:
            How many images the interrupted run had done.

        Raises:
            WrnError: As :meth:`PartialFile.resumed` does.
        """
        try:
            with results.resumed(images) as rest:
                earlier = results.done
                if earlier:
                    print(f'wrn: resuming after {earlier} images', file=sys.stderr)
                records = self.records(rest, earlier)
                while batch := list(islice(records, self.args.batch_size)):
                    results.add(batch)
                    errors = [record['error'] for record in batch if 'error' in record][:named]
                    for error in errors:
                        print(f'wrn: {error}', file=sys.stderr)
                    named -= len(errors)
        except KeyboardInterrupt:
            print(
                f'wrn: stopped after {results.done} images; run the same command to resume',
                file=sys.stderr,
            )
            raise
        return earlier
