"""Write features to a file as they come, however many there are."""

import json
import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np

from wrn.inference.features import Features
from wrn.utils.errors import WrnError
from wrn.utils.files import write_atomically
from wrn.utils.packages import missing_packages

_HEADER = 4096  # bytes in which any header of a .safetensors file of stages has room
_ROW_GROUP = 8 << 20  # bytes of features that Parquet holds in memory until it writes them


def check_format(out: str | Path, stages: Sequence[str], pool: bool) -> None:
    """Check before the work that a file of features can be written after it.

    Args:
        out: The file, with one of the :data:`SUFFIXES`.
        stages: Names of the stages.
        pool: Whether the features are averaged over height and width.

    Raises:
        WrnError: If maps of several stages are to be one array, or pyarrow is not installed.
    """
    suffix = Path(out).suffix
    if suffix == '.npy' and len(stages) > 1 and not pool:
        raise WrnError(
            f'--out {out}: maps of several stages are no single array; write .safetensors, which '
            'has one for each, or take --pool'
        )
    if suffix == '.parquet' and (lacking := missing_packages('pyarrow')):
        raise WrnError(f'--out {out}: {lacking}')


def list_path(out: str | Path) -> Path | None:
    """Return the path of the list of pictures beside a file of features.

    Args:
        out: The file of features.

    Returns:
        Its name and ``.txt``; None for Parquet, which has the paths in a column.
    """
    return None if Path(out).suffix == '.parquet' else Path(f'{out}.txt')


def write_features(out: str | Path, features: Iterable[Features]) -> int:
    """Write features to a file that gets its name when it is whole.

    - ``.npy`` holds one array, ``(N, C)`` or ``(N, C, H, W)``; pooled features of several stages
      stand one after the other in each row, ``(N, C_1 + C_2 + ...)``.
    - ``.safetensors`` holds an array of each stage, by its name.
    - ``.parquet`` has a row a picture: its ``path``, and a column of each stage, which are Arrow's
      tensors of fixed shape (lists of numbers to whom does not know these).

    Beside the first two is a list with the path of the picture of each row, :func:`list_path`.

    Args:
        out: The file, with one of the :data:`SUFFIXES`.
        features: Features of one size.

    Returns:
        The number of pictures.

    Raises:
        WrnError: If there are none, or the file cannot be written.
    """
    rows = iter(features)
    first = next(rows, None)
    if first is None:
        raise WrnError(f'no picture could be read; {out} is not written')
    rows, names = chain([first], rows), list_path(out)
    with ExitStack() as stack:
        if names:
            rows = _list(rows, stack.enter_context(write_atomically(names)))
        file = stack.enter_context(write_atomically(out))
        return _WRITERS[Path(out).suffix](file, rows)


def _list(rows: Iterable[Features], file: IO[bytes]) -> Iterator[Features]:
    """Write the path of each picture on a line of its own."""
    for row in rows:
        path = str(row.path).replace('\n', '\\n').replace('\r', '\\r')
        file.write(os.fsencode(path) + b'\n')
        yield row


def _write_npy(file: IO[bytes], rows: Iterator[Features]) -> int:
    number = 0
    shape: tuple[int, ...] = ()
    for row in rows:
        values = list(row.stages.values())
        array = values[0] if len(values) == 1 else np.concatenate(values)
        if not number:
            shape = array.shape
            _write_npy_header(file, (0, *shape))
        file.write(array.astype('<f4', copy=False).tobytes())
        number += 1
    file.seek(0)
    # It has room for the first number to grow, so that it ends where it did.
    _write_npy_header(file, (number, *shape))
    return number


def _write_npy_header(file: IO[bytes], shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, dict(descr='<f4', fortran_order=False, shape=shape))


def _write_safetensors(file: IO[bytes], rows: Iterator[Features]) -> int:
    """Write the first stage in its place, the others beside it, and these behind it at the end."""
    number = 0
    shapes: dict[str, tuple[int, ...]] = {}
    files = [file]
    with ExitStack() as stack:
        for row in rows:
            if not number:
                shapes = {name: values.shape for name, values in row.stages.items()}
                folder = Path(file.name).parent  # temporary folders may be small
                for _ in range(len(shapes) - 1):
                    files.append(stack.enter_context(tempfile.TemporaryFile(dir=folder)))
                file.write(bytes(_HEADER))
            for part, values in zip(files, row.stages.values(), strict=True):
                part.write(values.astype('<f4', copy=False).tobytes())
            number += 1
        for part in files[1:]:
            part.seek(0)
            shutil.copyfileobj(part, file, 1 << 20)
    header: dict[str, Any] = {}
    start = 0
    for name, shape in shapes.items():
        end = start + 4 * number * int(np.prod(shape))
        header[name] = dict(dtype='F32', shape=[number, *shape], data_offsets=[start, end])
        start = end
    file.seek(0)
    file.write(struct.pack('<Q', _HEADER - 8) + json.dumps(header).encode().ljust(_HEADER - 8))
    return number


def _write_parquet(file: IO[bytes], rows: Iterator[Features]) -> int:
    import pyarrow
    from pyarrow import parquet

    first = next(rows)
    kinds = {
        name: pyarrow.fixed_shape_tensor(pyarrow.float32(), values.shape)
        for name, values in first.stages.items()
    }
    schema = pyarrow.schema({'path': pyarrow.string(), **kinds})
    most = max(1, _ROW_GROUP // sum(values.nbytes for values in first.stages.values()))
    number = 0
    buffer: list[Features] = []

    def write() -> None:
        paths = [os.fsencode(str(row.path)).decode(errors='backslashreplace') for row in buffer]
        columns = [
            pyarrow.FixedShapeTensorArray.from_numpy_ndarray(
                np.stack([row.stages[name] for row in buffer])
            )
            for name in kinds
        ]
        writer.write_table(pyarrow.table([pyarrow.array(paths), *columns], schema=schema))
        buffer.clear()

    with parquet.ParquetWriter(file, schema, use_dictionary=False) as writer:
        for row in chain([first], rows):
            buffer.append(row)
            number += 1
            if len(buffer) == most:
                write()
        if buffer:
            write()
    return number


_WRITERS: dict[str, Callable[[IO[bytes], Iterator[Features]], int]] = {
    '.npy': _write_npy,
    '.safetensors': _write_safetensors,
    '.parquet': _write_parquet,
}
SUFFIXES = tuple(_WRITERS)
