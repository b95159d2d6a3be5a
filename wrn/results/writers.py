"""The formats of predictions: CSV, JSON lines, JSON and Parquet."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, Any

from wrn.results.record import Record
from wrn.utils.csv_text import format_cell
from wrn.utils.files import write_atomically
from wrn.utils.packages import missing_packages
from wrn_base.errors import WrnError

_ROW_GROUP = 200_000  # values in memory for each row group of a Parquet file


def check_parquet(out: str | Path) -> None:
    """Check that pyarrow is installed if a file needs it.

    Args:
        out: The file.

    Raises:
        WrnError: If pyarrow is missing.
    """
    if Path(out).suffix == '.parquet' and (missing := missing_packages('pyarrow')):
        raise WrnError(f'{out}: {missing}')


def write_predictions(
    out: str | Path,
    records: Iterable[Record],
    topk: int,
    truth: bool = False,
    multi_label: bool = False,
    heat_maps: bool = False,
) -> None:
    """Write predictions to a file, which appears when it is complete.

    Args:
        out: The file. Its suffix, one of :data:`SUFFIXES`, determines the format.
        records: As for :func:`write_records`.
        topk: As for :func:`write_records`.
        truth: As for :func:`write_records`. Defaults to False.
        multi_label: As for :func:`write_records`. Defaults to False.
        heat_maps: As for :func:`write_records`. Defaults to False.

    Raises:
        WrnError: If the file cannot be written.
    """
    with write_atomically(out) as file:
        write_records(records, file, Path(out).suffix, topk, truth, multi_label, heat_maps)


def write_records(
    records: Iterable[Record],
    file: IO[bytes],
    suffix: str,
    topk: int,
    truth: bool = False,
    multi_label: bool = False,
    heat_maps: bool = False,
) -> None:
    """Write predictions one after the other, in memory that does not grow with their number.

    JSON has the records as they are: a list of them, or one per line. CSV and Parquet have a row
    for each record. Its columns are ``img_path``, ``error``, ``pred_label``, ``pred_class`` and
    ``pred_score``, then ``pred_label_2`` and so on. Several labels of an image are a list: JSON in
    the cell of a CSV file.

    Args:
        records: The records, in order.
        file: The file to write to.
        suffix: One of :data:`SUFFIXES`, which determines the format.
        topk: The largest number of predictions in a record.
        truth: Whether to add the columns of a dataset: ``sample_idx``, ``gt_label`` and
            ``gt_class``. Defaults to False.
        multi_label: Whether an image has any number of classes. There are then ``pred_labels`` and
            ``pred_classes``, and ``gt_labels`` and ``gt_classes``. Defaults to False.
        heat_maps: Whether to add the column ``heat_map``. Defaults to False.
    """
    image = ['img_path', 'error']
    if truth:
        image = ['sample_idx', *image]
        image += ['gt_labels', 'gt_classes'] if multi_label else ['gt_label', 'gt_class']
    if multi_label:
        image += ['pred_labels', 'pred_classes']
    if heat_maps:
        image.append('heat_map')
    names = ('pred_label', 'pred_class', 'pred_score')
    columns = image + [_ranked(name, rank) for rank in range(topk) for name in names]
    _WRITERS[suffix](records, file, columns)


def write_parquet(
    rows: Iterable[Mapping[str, Any]], file: IO[bytes], columns: Mapping[str, Any], group: int
) -> None:
    """Write rows to a Parquet file.

    Args:
        rows: The values of each row by column. A missing value becomes null.
        file: The file to write to.
        columns: The pyarrow type of each column.
        group: The number of rows in a row group, which is kept in memory.
    """
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema(columns)
    texts = [name for name, kind in columns.items() if kind == pyarrow.string()]
    remaining = iter(rows)
    with parquet.ParquetWriter(file, schema, use_dictionary=texts) as writer:
        while part := [
            {name: _to_utf8(value) for name, value in row.items()}
            for row in islice(remaining, group)
        ]:
            writer.write_table(pyarrow.Table.from_pylist(part, schema))


def _to_utf8(value: Any) -> Any:
    """Escape bytes of file names that are not UTF-8, since text in Parquet must be."""
    if isinstance(value, list):
        return [_to_utf8(item) for item in value]
    return value.encode(errors='backslashreplace').decode() if isinstance(value, str) else value


def _write_csv(records: Iterable[Record], file: IO[bytes], columns: list[str]) -> None:
    text = io.TextIOWrapper(file, 'utf-8', 'surrogateescape', newline='', write_through=True)
    writer = csv.DictWriter(text, columns, extrasaction='ignore', lineterminator='\n')
    writer.writeheader()
    for row in _rows(records):
        cells = {
            key: json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
            for key, value in row.items()
        }
        writer.writerow({key: format_cell(value) for key, value in cells.items()})
    text.detach()


def _write_json_lines(records: Iterable[Record], file: IO[bytes], columns: list[str]) -> None:
    for record in records:
        line = json.dumps(record, ensure_ascii=False)
        file.write(f'{line}\n'.encode(errors='surrogateescape'))


def _write_json(records: Iterable[Record], file: IO[bytes], columns: list[str]) -> None:
    opening = '[\n'
    for record in records:
        lines = json.dumps(record, indent=2, ensure_ascii=False).splitlines()
        text = opening + '\n'.join(f'  {line}' for line in lines)
        file.write(text.encode(errors='surrogateescape'))
        opening = ',\n'
    file.write(b'[]\n' if opening == '[\n' else b'\n]\n')


def _write_parquet(records: Iterable[Record], file: IO[bytes], columns: list[str]) -> None:
    import pyarrow

    integer, text = pyarrow.int64(), pyarrow.string()
    kinds = dict(sample_idx=integer, gt_label=integer, pred_label=integer)
    kinds |= dict(pred_score=pyarrow.float32())
    kinds |= {f'{name}_labels': pyarrow.list_(integer) for name in ('gt', 'pred')}
    kinds |= {f'{name}_classes': pyarrow.list_(text) for name in ('gt', 'pred')}
    types = {name: kinds.get(name.rstrip('_0123456789'), text) for name in columns}
    write_parquet(_rows(records), file, types, max(1, _ROW_GROUP // len(columns)))


def _rows(records: Iterable[Record]) -> Iterator[dict[str, object]]:
    for record in records:
        row = {key: value for key, value in record.items() if key != 'predictions'}
        for rank, prediction in enumerate(record.get('predictions', ())):
            row |= {_ranked(key, rank): value for key, value in prediction.items()}
        yield row


def _ranked(name: str, rank: int) -> str:
    return f'{name}_{rank + 1}' if rank else name


_WRITERS: dict[str, Callable[[Iterable[Record], IO[bytes], list[str]], None]] = {
    '.csv': _write_csv,
    '.jsonl': _write_json_lines,
    '.json': _write_json,
    '.parquet': _write_parquet,
}
SUFFIXES = tuple(_WRITERS)
