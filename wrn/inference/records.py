"""What is known of pictures after a prediction, as plain values, and the files it is written to."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import IO, Any

from mmpretrain.structures import DataSample

from wrn.utils.errors import ImageReadError, WrnError
from wrn.utils.packages import missing_packages

SUFFIXES = ('.csv', '.jsonl', '.json', '.parquet')
_ROW_GROUP = 200_000  # values that are kept in memory for a part of a Parquet file

Record = dict[str, Any]


def describe(
    name: str, sample: DataSample | ImageReadError, classes: Sequence[str] | None, topk: int
) -> Record:
    """Say what was predicted of a picture.

    Args:
        name: Its path.
        sample: The prediction, or the error if it could not be read.
        classes: The names of the classes, if they are known.
        topk: How many classes to name.

    Returns:
        ``img_path``, and ``predictions``, of each of which there are ``pred_label``,
        ``pred_score`` and, if it is known, ``pred_class``, the best first; or ``error``.
    """
    if isinstance(sample, ImageReadError):
        return dict(img_path=name, error=str(sample))
    scores, labels = sample.pred_score.topk(min(topk, len(sample.pred_score)))
    predictions = []
    for score, label in zip(scores.tolist(), labels.tolist(), strict=True):
        prediction = dict(pred_label=label, pred_score=score)
        if classes:
            prediction['pred_class'] = classes[label]
        predictions.append(prediction)
    return dict(img_path=name, predictions=predictions)


def check_format(suffix: str) -> None:
    """Check that a format can be written.

    Args:
        suffix: One of :data:`SUFFIXES`.

    Raises:
        WrnError: If it needs a package that is not installed.
    """
    if suffix == '.parquet' and (lacking := missing_packages('pyarrow')):
        raise WrnError(f'--out .parquet: {lacking}')


def write_records(records: Iterable[Record], file: IO[bytes], suffix: str, topk: int) -> None:
    """Write records one after the other, in memory that does not grow with them.

    Args:
        records: The records, in order.
        file: The file to write to.
        suffix: One of :data:`SUFFIXES`, which says the format. CSV and Parquet have a row for each
            picture, with the columns ``img_path``, ``error``, ``pred_label``, ``pred_class`` and
            ``pred_score``, then ``pred_label_2`` and so on.
        topk: How many classes are named of each picture at most.
    """
    if suffix == '.jsonl':
        for record in records:
            line = json.dumps(record, ensure_ascii=False)
            file.write(f'{line}\n'.encode(errors='surrogateescape'))
    elif suffix == '.json':
        opening = '[\n'
        for record in records:
            file.write((opening + _indented(record)).encode(errors='surrogateescape'))
            opening = ',\n'
        file.write(b'[]\n' if opening == '[\n' else b'\n]\n')
    elif suffix == '.csv':
        text = io.TextIOWrapper(file, 'utf-8', 'surrogateescape', newline='', write_through=True)
        writer = csv.DictWriter(text, _columns(topk), lineterminator='\n')
        writer.writeheader()
        writer.writerows(_row(record) for record in records)
        text.detach()
    else:
        _write_parquet((_row(record) for record in records), file, topk)


def _indented(record: Record) -> str:
    lines = json.dumps(record, indent=2, ensure_ascii=False).splitlines()
    return '\n'.join(f'  {line}' for line in lines)


def _columns(topk: int) -> list[str]:
    names = ('pred_label', 'pred_class', 'pred_score')
    return [
        'img_path',
        'error',
        *(f'{name}{_rank(rank)}' for rank in range(topk) for name in names),
    ]


def _rank(rank: int) -> str:
    return f'_{rank + 1}' if rank else ''


def _row(record: Record) -> Record:
    row = dict(img_path=record['img_path'], error=record.get('error'))
    for rank, prediction in enumerate(record.get('predictions', ())):
        row.update({f'{key}{_rank(rank)}': value for key, value in prediction.items()})
    return row


def _write_parquet(rows: Iterator[Record], file: IO[bytes], topk: int) -> None:
    import pyarrow
    from pyarrow import parquet

    kinds = dict(pred_label=pyarrow.int64(), pred_score=pyarrow.float32())
    schema = pyarrow.schema(
        [(name, kinds.get(name.rstrip('_0123456789'), pyarrow.string())) for name in _columns(topk)]
    )
    with parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(rows, max(1, _ROW_GROUP // len(schema)))):
            for row in group:  # Parquet has no place for names that are no text
                for name in ('img_path', 'error'):
                    if row[name] is not None:
                        row[name] = row[name].encode(errors='backslashreplace').decode()
            writer.write_table(pyarrow.Table.from_pylist(group, schema))
