"""Keep the results of a run on disk until it is complete, and resume an interrupted run."""

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from wrn.data.images import ImageLike
from wrn.results.partial_lines import checksum, format_line, parse_batch, parse_line
from wrn.results.record import Record
from wrn.utils.existing import check_free
from wrn.utils.files import make_parent, report_write_errors
from wrn.utils.scratch import remove_lock
from wrn_base.errors import WrnError
from wrn_base.terminal import printable

_DIGITS = 15  # of a number of bytes

_logger = logging.getLogger('wrn')


class PartialFile:
    """The records of a run in ``FILE.partial``, from which ``FILE`` is written at the end.

    The first line is a JSON object that identifies the run. Each batch has a line: the number of
    bytes of its arrays, a checksum of the rest of the line and of these bytes, and a JSON list of
    its records in which shapes replace arrays. The values of the arrays follow as float32. A batch
    that a kill cut off, or that is damaged, is dropped with all that follow. So a resumed run
    computes the same batches as one that was never interrupted.

    In a job of several processes, a process renames its records to ``FILE.done`` when its file is
    written. The records are deleted when the files of all processes are written. Until then, the
    job can be started again.

    Iterating yields the records so far, any number of times.

    Args:
        out: The file to write.
        run: The values that the results depend on, in JSON's types.
        write: Writes the file from all records.
        parts: The files of all processes of the job. Defaults to ``out`` alone.
        overwrite: Whether to replace a file that exists, and the partial file of a different run,
            which is logged. Defaults to False. A file that this process of the job has already
            written is replaced by the same.
        has_others: Returns whether the run has begun to write other files, such as heat maps, which
            the partial file marks as its own. Defaults to a run that writes none.

    Attributes:
        done: The number of records.
        failed: The number of records with an ``error``.
        shapes: The shapes of the last image's arrays by name; empty if there are none.
    """

    def __init__(
        self,
        out: str | Path,
        run: dict[str, object],
        write: Callable[[Path, Iterable[Record]], None],
        parts: Sequence[str | Path] = (),
        overwrite: bool = False,
        has_others: Callable[[], bool] = lambda: False,
    ) -> None:
        self.path = Path(out)
        self.partial = partial_path(out)
        self.run = run
        self.done = self.failed = 0
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._write = write
        self._kept = [_kept(part) for part in parts or (out,)]
        self._overwrite = overwrite
        self._has_others = has_others
        self._file: IO[bytes]

    @contextlib.contextmanager
    def resumed(self, images: Iterable[ImageLike]) -> Iterator[Iterator[ImageLike]]:
        """Open the partial file, and skip the images that already have a record.

        At the end of the block the file is written and the partial file deleted. If the block
        raises, the partial file stays, unless it has no record and the run no other files.

        Args:
            images: All images, which can be iterated twice.

        Yields:
            The remaining images.

        Raises:
            WrnError: If the partial file belongs to another run and is not to be replaced, if
                another process is writing it, or if a file cannot be written or exists.
        """
        replaces = self._overwrite or is_unfinished(self.path)
        check_free(self.path, replaces)
        with report_write_errors(self.partial, 'give another file'), self._lock() as lock:
            kept = _kept(self.path)
            if kept.exists() and not self.partial.exists():
                # A copy, so that ours is known as ours if this run is interrupted, too.
                shutil.copyfile(kept, self.partial)
            with self.partial.open('a+b') as self._file:
                rest = self._find_rest(images)
                try:
                    yield rest
                    check_free(self.path, replaces)
                    self._write(self.path, self)
                except BaseException:
                    if not (self.done or self._has_others()):  # it would only block a corrected run
                        self._file.close()
                        self.partial.unlink(missing_ok=True)
                        remove_lock(lock)
                    raise
            self.partial.replace(kept)
            if all(path.exists() for path in self._kept):
                for path in self._kept:
                    path.unlink(missing_ok=True)
            remove_lock(lock)

    def _lock(self) -> contextlib.AbstractContextManager[Any]:
        """Exclude other processes from the partial file for the time of a block."""
        make_parent(self.partial)
        try:
            return FileLock(f'{self.partial}.lock', timeout=0).acquire()
        except Timeout as error:
            raise WrnError(
                f'{self.partial}: another process is writing it; wait for it, or give another file'
            ) from error

    def add(self, batch: Sequence[Record]) -> None:
        """Append the records of a batch."""
        line = format_line(batch)
        arrays = [
            values.astype('<f4', copy=False).tobytes()
            for record in batch
            for values in record.get('stages', {}).values()
        ]
        self._file.write(b'%d %08x ' % (sum(map(len, arrays)), checksum(line, *arrays)))
        self._file.writelines([line, *arrays])
        self._file.flush()
        self._count(batch)

    def __iter__(self) -> Iterator[Record]:
        self._file.seek(0)
        self._file.readline()
        while batch := self._read_batch():
            yield from batch

    def _count(self, batch: Sequence[Record]) -> None:
        self.done += len(batch)
        for record in batch:
            self.failed += 'error' in record
            if 'stages' in record:
                self.shapes = {name: values.shape for name, values in record['stages'].items()}

    def _find_rest(self, images: Iterable[ImageLike]) -> Iterator[ImageLike]:
        """Return the images without a record. Start over if another run may be replaced."""
        rest = iter(images)
        difference = self._check_run() or self._skip_done(rest)
        if not difference:
            return rest
        if not self._overwrite:
            raise WrnError(
                f'{self.partial}: {difference}; finish that run, delete the file, or add '
                '--overwrite to start over'
            )
        _logger.info('%s: %s; it is replaced', self.partial, printable(difference))
        self.done = self.failed = 0
        self.shapes = {}
        self._start()
        return iter(images)

    def _start(self) -> None:
        self._file.truncate(0)
        self._file.write(format_line(self.run))
        self._file.flush()

    def _check_run(self) -> str:
        """Return how the run of the first line differs. Write the line if it is cut off or new."""
        self._file.seek(0)
        line = self._file.readline()
        if not line.endswith(b'\n') and format_line(self.run).startswith(line):
            self._start()
            return ''
        header = parse_line(line)
        if not isinstance(header, dict) or 'command' not in header:
            raise WrnError(
                f'{self.partial}: not from an interrupted run of this command; delete or rename it'
            )
        other = [key for key in self.run if header.get(key) != self.run[key]]
        if 'command' in other:  # then it has other options
            other = ['command']
        return f'from an interrupted run with different {" and ".join(other)}' if other else ''

    def _skip_done(self, images: Iterator[ImageLike]) -> str:
        """Skip the images that have a record, and return how they differ from the records."""
        end = self._file.tell()
        while batch := self._read_batch():
            for record in batch:
                image = next(images, None)
                if str(image) != record['img_path']:
                    found, now = record['img_path'], image or 'no image'
                    return f'has the result of {found} where the inputs now have {now}'
            self._count(batch)
            end = self._file.tell()
        if end < self.partial.stat().st_size:
            _logger.info('%s: its end is cut off or damaged; that part is done again', self.partial)
        self._file.truncate(end)
        return ''

    def _read_batch(self) -> list[Record] | None:
        """Read the next batch. Return None at the end, and for a batch that is damaged."""
        size, _, rest = self._file.readline().partition(b' ')
        expected, _, line = rest.partition(b' ')
        remaining = self.partial.stat().st_size - self._file.tell()
        if not size.isdigit() or len(size) > _DIGITS or int(size) > remaining:
            return None
        values = self._file.read(int(size))
        if expected != b'%08x' % checksum(line, values):
            return None
        try:
            return parse_batch(line, values)
        except (ValueError, TypeError, AttributeError, RecursionError):  # another program's line
            return None


def _kept(out: str | Path) -> Path:
    """Return where the records stay until all processes of a job are done."""
    return Path(f'{out}.done')


def partial_path(out: str | Path) -> Path:
    """Return where the records of an unfinished run that writes ``out`` are."""
    return Path(f'{out}.partial')


def is_unfinished(out: str | Path) -> bool:
    """Return whether a file is from a job of several processes that is not complete.

    Args:
        out: The file.
    """
    return _kept(out).exists()
