"""The formats of features: .npy, .safetensors and Parquet."""

import json
import math
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np

from wrn.results.record import Record
from wrn.results.writers import write_parquet
from wrn.utils.files import write_atomically
from wrn_base.errors import WrnError

_Shapes: TypeAlias = dict[str, tuple[int, ...]]

_ROW_GROUP = 8 << 20  # bytes of features in memory for each row group of a Parquet file


def check_format(out: str | Path, stages: Sequence[str], pool: bool) -> None:
    """Check that a file can hold the features.

    Args:
        out: The file, with one of the :data:`SUFFIXES`.
        stages: The names of the stages.
        pool: Whether the features are averaged over height and width.

    Raises:
        WrnError: If feature maps of several stages would have to be one array.
    """
    if Path(out).suffix == '.npy' and len(stages) > 1 and not pool:
        raise WrnError(
            f'--out {out}: maps of several stages do not fit in one array; write .safetensors, '
            'which has one array for each stage, or use --pool'
        )


def list_path(out: str | Path) -> Path | None:
    """Return the path of the list of images beside a file of features.

    Args:
        out: The file of features.

    Returns:
        The name of the file and ``.txt``. None for Parquet, which has the paths in a column.
    """
    return None if Path(out).suffix == '.parquet' else Path(f'{out}.txt')


def write_features(out: str | Path, records: Iterable[Record]) -> None:
    """Write features to a file, which appears when it is complete.

    - ``.npy`` holds one array, ``(N, C)`` or ``(N, C, H, W)``; pooled features of several stages
      are concatenated in each row, ``(N, C_1 + C_2 + ...)``.
    - ``.safetensors`` holds an array for each stage, under its name.
    - ``.parquet`` has a row for each image: ``img_path``, and a column for each stage in Arrow's
      fixed-shape tensors (readers without that extension type see plain lists).

    The first two have a list of the images beside them, a path for each row: :func:`list_path`.

    Args:
        out: The file, with one of the :data:`SUFFIXES`.
        records: The records of all images. They are iterated over several times. All arrays of a
            stage have one shape. Records with an ``error`` are left out. If there are no others,
            nothing is written.

    Raises:
        WrnError: If the file cannot be written.
    """
    number = 0
    shapes: _Shapes = {}
    for row in _rows(records):
        number += 1
        shapes = {name: values.shape for name, values in row['stages'].items()}
    if not number:
        return
    with ExitStack() as stack:
        if names := list_path(out):
            _write_list(stack.enter_context(write_atomically(names)), records)
        file = stack.enter_context(write_atomically(out))
        _WRITERS[Path(out).suffix](file, records, number, shapes)


def _rows(records: Iterable[Record]) -> Iterator[Record]:
    return (record for record in records if 'stages' in record)


def _write_list(file: IO[bytes], records: Iterable[Record]) -> None:
    for row in _rows(records):
        path = row['img_path'].replace('\n', '\\n').replace('\r', '\\r')
        file.write(os.fsencode(path) + b'\n')


def _write_npy(file: IO[bytes], records: Iterable[Record], number: int, shapes: _Shapes) -> None:
    first, *others = shapes.values()
    shape = (number, sum((other[0] for other in others), first[0]), *first[1:])
    header = dict(descr='<f4', fortran_order=False, shape=shape)
    np.lib.format.write_array_header_1_0(file, header)
    for row in _rows(records):
        for values in row['stages'].values():
            file.write(values.tobytes())


def _write_safetensors(
    file: IO[bytes], records: Iterable[Record], number: int, shapes: _Shapes
) -> None:
    header: dict[str, Any] = {}
    start = 0
    for name, shape in shapes.items():
        end = start + 4 * number * math.prod(shape)
        header[name] = dict(dtype='F32', shape=[number, *shape], data_offsets=[start, end])
        start = end
    text = json.dumps(header).encode()
    size = -(-len(text) // 8) * 8  # the format requires data at a multiple of 8
    file.write(struct.pack('<Q', size) + text.ljust(size))
    for name in shapes:
        for row in _rows(records):
            file.write(row['stages'][name].tobytes())


def _write_parquet(
    file: IO[bytes], records: Iterable[Record], number: int, shapes: _Shapes
) -> None:
    import pyarrow

    columns = dict(img_path=pyarrow.string())
    for name, shape in shapes.items():
        columns[name] = pyarrow.fixed_shape_tensor(pyarrow.float32(), shape)
    rows = (
        dict(img_path=row['img_path'], **{k: v.ravel() for k, v in row['stages'].items()})
        for row in _rows(records)
    )
    size = 4 * sum(map(math.prod, shapes.values()))
    write_parquet(rows, file, columns, max(1, _ROW_GROUP // size))


_WRITERS: dict[str, Callable[[IO[bytes], Iterable[Record], int, _Shapes], None]] = {
    '.npy': _write_npy,
    '.safetensors': _write_safetensors,
    '.parquet': _write_parquet,
}
SUFFIXES = tuple(_WRITERS)
