"""Keep the results of a run on the disk while it goes, and go on where one was interrupted."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from wrn.data.images import ImageLike
from wrn.inference.records import Record, write_records
from wrn.utils.errors import WrnError
from wrn.utils.files import write_atomically


class ResultFile:
    """The file of results, which gets its name when it is whole.

    Until then they are in ``FILE.partial``: a line of JSON that says what run they are of, and one
    for each picture. Of a job of several processes, those of a file that is whole are kept as
    ``FILE.done`` until the files of all are, so that the job can be started again.

    Args:
        out: The file to write, whose suffix is one of :data:`wrn.inference.records.SUFFIXES`.
        topk: How many classes are named of each picture.
        run: What else the results depend on, as JSON has it.
        parts: The files of all processes of the job, or the only one.

    Attributes:
        done: How many results there are.
        failed: How many of them are of pictures that could not be read.
    """

    def __init__(
        self, out: str | Path, topk: int, run: dict[str, object], parts: Sequence[str | Path]
    ) -> None:
        self.path = Path(out)
        self.partial = Path(f'{out}.partial')
        self._kept = [Path(f'{part}.done') for part in parts]
        self.topk = topk
        self.run = {**run, 'topk': topk}
        self.done = self.failed = 0
        self._file: IO[bytes]

    @contextlib.contextmanager
    def resumed(self, pictures: Iterable[ImageLike]) -> Iterator[Iterator[ImageLike]]:
        """Open the partial file, and skip the pictures that it has the results of.

        When the block ends, the file is written and the partial one goes; if it raises, the latter
        stays.

        Args:
            pictures: All pictures.

        Yields:
            Those that are not done yet.

        Raises:
            WrnError: If what is there is of another run, or one is going on, or a file cannot be
                written.
        """
        rest = iter(pictures)
        lock = FileLock(f'{self.partial}.lock', timeout=0)
        try:
            with lock:
                kept = Path(f'{self.path}.done')
                if kept.exists() and not self.partial.exists():
                    kept.replace(self.partial)
                with self.partial.open('a+b') as self._file:
                    self._skip_done(rest)
                    yield rest
                    self._write()
                self.partial.replace(kept)
                if all(path.exists() for path in self._kept):
                    for path in self._kept:
                        path.unlink(missing_ok=True)
                Path(lock.lock_file).unlink(missing_ok=True)
        except Timeout as error:
            raise WrnError(
                f'{self.partial}: another process is writing it; wait for that, or name '
                'another file'
            ) from error
        except OSError as error:
            reason = error.strerror or error
            raise WrnError(f'{self.partial}: cannot be written ({reason})') from error

    def add(self, records: Iterable[Record]) -> None:
        """Append the results of further pictures.

        Args:
            records: What :func:`wrn.inference.records.describe` returns, in order.
        """
        for record in records:
            self._file.write(_format(record))
            self._count(record)
        self._file.flush()

    def _count(self, record: Record) -> None:
        self.done += 1
        self.failed += 'error' in record

    def _skip_done(self, pictures: Iterator[ImageLike]) -> None:
        self._file.seek(0)
        line = self._file.readline()
        if not line.endswith(b'\n') and _format(self.run).startswith(line):
            self._file.truncate(0)  # new, or killed in its first line
            self._file.write(_format(self.run))
            self._file.flush()
            return
        header = _parse(line)
        if header is None or header.keys() != self.run.keys():
            raise WrnError(f'{self.partial}: is no file of an interrupted run; delete or rename it')
        if other := [key for key in self.run if header[key] != self.run[key]]:
            raise WrnError(
                f'{self.partial}: is of an interrupted run with another {" and ".join(other)}; '
                'finish that one, or delete the file'
            )
        end = self._file.tell()
        while record := _parse(self._file.readline()):
            picture = next(pictures, None)
            if str(picture) != record.get('img_path'):
                raise WrnError(
                    f'{self.partial}: has a result of {record.get("img_path")} where there is '
                    f'{picture or "nothing"} now; delete the file to begin anew'
                )
            self._count(record)
            end = self._file.tell()
        self._file.truncate(end)  # the line that was being written

    def _write(self) -> None:
        self._file.seek(0)
        lines = islice(self._file, 1, None)
        with write_atomically(self.path) as file:
            write_records(map(json.loads, lines), file, self.path.suffix, self.topk)


def _format(record: Record) -> bytes:
    return f'{json.dumps(record)}\n'.encode()  # all of it ASCII, whatever the names are


def _parse(line: bytes) -> Record | None:
    """Read a line; None if it is none, or was cut off."""
    if not line.endswith(b'\n'):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
