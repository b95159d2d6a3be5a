"""Keep the results of a run on disk until it is complete, and resume an interrupted run."""

import contextlib
import json
import logging
import math
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout

from wrn.data.images import ImageLike
from wrn.results.record import Record
from wrn.utils.existing import check_free
from wrn.utils.files import make_parent, report_write_errors
from wrn_base.errors import WrnError

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
        overwrite: Whether to replace a file that exists. Defaults to False. One that this process
            of the job has already written is replaced by the same.

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
    ) -> None:
        self.path = Path(out)
        self.partial = partial_path(out)
        self.run = run
        self.done = self.failed = 0
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._write = write
        self._kept = [_kept(part) for part in parts or (out,)]
        self._overwrite = overwrite
        self._file: IO[bytes]

    @contextlib.contextmanager
    def resumed(self, images: Iterable[ImageLike]) -> Iterator[Iterator[ImageLike]]:
        """Open the partial file, and skip the images that already have a record.

        At the end of the block the file is written and the partial file deleted. If the block
        raises, the partial file stays.

        Args:
            images: All images.

        Yields:
            The remaining images.

        Raises:
            WrnError: If the partial file belongs to another run, if another process is writing it,
                or if a file cannot be written or exists.
        """
        replaces = self._overwrite or is_unfinished(self.path)
        check_free(self.path, replaces)
        rest = iter(images)
        with report_write_errors(self.partial, 'give another file'), self._lock() as lock:
            kept = _kept(self.path)
            if kept.exists() and not self.partial.exists():
                # A copy, so that ours is known as ours if this run is interrupted, too.
                shutil.copyfile(kept, self.partial)
            with self.partial.open('a+b') as self._file:
                self._check_run()
                self._skip_done(rest)
                yield rest
                check_free(self.path, replaces)
                self._write(self.path, self)
            self.partial.replace(kept)
            if all(path.exists() for path in self._kept):
                for path in self._kept:
                    path.unlink(missing_ok=True)
            Path(lock.lock_file).unlink(missing_ok=True)

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
        line = _format(batch)
        arrays = [
            values.astype('<f4', copy=False).tobytes()
            for record in batch
            for values in record.get('stages', {}).values()
        ]
        self._file.write(b'%d %08x ' % (sum(map(len, arrays)), _checksum(line, *arrays)))
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

    def _check_run(self) -> None:
        """Check the first line. Write it if the file is new, or if a kill cut the line off."""
        self._file.seek(0)
        line = self._file.readline()
        if not line.endswith(b'\n') and _format(self.run).startswith(line):
            self._file.truncate(0)
            self._file.write(_format(self.run))
            self._file.flush()
            return
        header = _parse(line)
        if not isinstance(header, dict) or header.keys() != self.run.keys():
            raise WrnError(
                f'{self.partial}: not from an interrupted run of this command; delete or rename it'
            )
        if other := [key for key in self.run if header[key] != self.run[key]]:
            raise WrnError(
                f'{self.partial}: from an interrupted run with different {" and ".join(other)}; '
                'finish that run, or delete the file'
            )

    def _skip_done(self, images: Iterator[ImageLike]) -> None:
        end = self._file.tell()
        while batch := self._read_batch():
            for record in batch:
                image = next(images, None)
                if str(image) != record['img_path']:
                    raise WrnError(
                        f'{self.partial}: has the result of {record["img_path"]} where the inputs '
                        f'now have {image or "no image"}; delete the file to start over'
                    )
            self._count(batch)
            end = self._file.tell()
        if end < self.partial.stat().st_size:
            _logger.info('%s: its end is cut off or damaged; that part is done again', self.partial)
        self._file.truncate(end)

    def _read_batch(self) -> list[Record] | None:
        """Read the next batch. Return None at the end, and for a batch that is damaged."""
        size, _, rest = self._file.readline().partition(b' ')
        checksum, _, line = rest.partition(b' ')
        remaining = self.partial.stat().st_size - self._file.tell()
        if not size.isdigit() or len(size) > _DIGITS or int(size) > remaining:
            return None
        values = self._file.read(int(size))
        if checksum != b'%08x' % _checksum(line, values):
            return None
        try:
            return _parse_batch(line, values)
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


def _parse_batch(line: bytes, values: bytes) -> list[Record]:
    batch: list[Record] = json.loads(line)
    position = 0
    for record in batch:
        if not record.keys() <= Record.__annotations__.keys() or 'img_path' not in record:
            raise ValueError
        for name, shape in record.get('stages', {}).items():
            if min(shape, default=0) < 0:
                raise ValueError
            array = np.frombuffer(values, '<f4', math.prod(shape), position).reshape(shape)
            record['stages'][name] = array
            position += array.nbytes
    return batch


def _checksum(*parts: bytes) -> int:
    """Return the CRC-32 of bytes in several parts."""
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    return checksum


def _format(value: object) -> bytes:
    return f'{json.dumps(value, default=np.shape)}\n'.encode()  # ASCII, whatever the names are


def _parse(line: bytes) -> Any:
    """Parse a line. Return None if it is not JSON, or is cut off."""
    try:
        return json.loads(line) if line.endswith(b'\n') else None
    except (ValueError, RecursionError):
        return None
