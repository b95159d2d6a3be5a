"""``wrn predict``: classify pictures."""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from typing import IO, Any

from mmpretrain.structures import DataSample
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from wrn.cli.loading import load_model
from wrn.cli.outputs import check_out
from wrn.errors import PictureError, WrnError
from wrn.files import write_atomically
from wrn.inference.predictor import Predictor
from wrn.pictures import Picture, find_pictures

HELP = 'classify pictures'
DEFAULT_MODEL = 'wide-resnet16-2_1xb64_digits'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('inputs', nargs='+', help='pictures: paths, URLs, folders, glob patterns')
    parser.add_argument(
        '--model',
        default=DEFAULT_MODEL,
        help='name of a model or path of a config (default: %(default)s, the embedded one, which '
        'reads handwritten digits)',
    )
    parser.add_argument('--checkpoint', help="weights: a path or URL (default: the model's own)")
    parser.add_argument('--topk', type=int, default=5, help='classes to show (default: 5)')
    parser.add_argument('--batch-size', type=int, default=32, help='(default: 32)')
    parser.add_argument('--device', help='such as cuda:1 (default: the accelerator, else the CPU)')
    parser.add_argument('--out', metavar='FILE', help="write JSON here, '-' for standard output")


def run(args: argparse.Namespace) -> None:
    """Classify the pictures, and print a table or write JSON."""
    if args.topk < 1 or args.batch_size < 1:
        raise WrnError('--topk and --batch-size must be at least 1')
    if args.out not in (None, '-'):
        check_out(args.out)
    pictures = list(find_pictures(args.inputs))
    predictor = Predictor(load_model(args))
    with _open_output(args.out) as file:  # first, so that no prediction is lost if it cannot be
        records = _predict(predictor, pictures, args)
        if file:
            text = json.dumps(records, indent=2, ensure_ascii=False) + '\n'
            file.write(text.encode())
        elif any('predictions' in record for record in records):
            Console().print(_table(records))
    failed = [record['error'] for record in records if 'error' in record]
    for error in failed:
        print(f'wrn: {error}', file=sys.stderr)
    if failed:
        raise WrnError(f'{len(failed)} of {len(pictures)} pictures could not be read')


@contextlib.contextmanager
def _open_output(out: str | None) -> Iterator[IO[bytes] | None]:
    if out == '-':
        yield sys.stdout.buffer
    elif out:
        with write_atomically(out) as file:
            yield file
    else:
        yield None


def _predict(
    predictor: Predictor, pictures: Sequence[Picture], args: argparse.Namespace
) -> list[dict[str, Any]]:
    samples = track(
        predictor.stream(pictures, args.batch_size),
        'Predicting',
        total=len(pictures),
        console=Console(stderr=True),
        transient=True,
        disable=len(pictures) <= args.batch_size,
    )
    return [
        dict(img_path=str(picture), **_describe(sample, predictor.classes, args.topk))
        for picture, sample in zip(pictures, samples, strict=True)
    ]


def _describe(
    sample: DataSample | PictureError, classes: Sequence[str] | None, topk: int
) -> dict[str, Any]:
    if isinstance(sample, PictureError):
        return dict(error=str(sample))
    scores, labels = sample.pred_score.topk(min(topk, len(sample.pred_score)))
    return dict(
        predictions=[
            dict(
                pred_label=label,
                pred_score=score,
                **({'pred_class': classes[label]} if classes else {}),
            )
            for score, label in zip(scores.tolist(), labels.tolist(), strict=True)
        ]
    )


def _table(records: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style='bold')
    table.add_column('picture', overflow='fold')
    table.add_column('class', overflow='fold')
    table.add_column('score', justify='right', no_wrap=True)
    for record in records:
        for rank, prediction in enumerate(record.get('predictions', ())):
            table.add_row(
                '' if rank else escape(record['img_path']),
                escape(prediction.get('pred_class', str(prediction['pred_label']))),
                f'{prediction["pred_score"]:.4f}',
                end_section=rank + 1 == len(record['predictions']),
            )
    return table
