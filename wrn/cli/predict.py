"""``wrn predict``: classify images."""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial

from mmpretrain.structures import DataSample
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wrn.cli.backend_options import add_engine_arguments, fit_batch_size, load_model_with_engine
from wrn.cli.outputs import check_out
from wrn.cli.shards import find_shard
from wrn.cli.write_results import ImageJob, InputImages, describe_run
from wrn.data.images import ImageLike
from wrn.inference.predictor import Predictor
from wrn.results.partial_file import PartialFile
from wrn.results.record import Record, best_classes
from wrn.results.writers import SUFFIXES, write_predictions, write_records
from wrn.utils.errors import WrnError

HELP = 'classify images'
DEFAULT_MODEL = 'wide-resnet16-2_1xb64_digits'
_NAMED = 10  # how many unreadable images are named where a file names all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        '--model',
        default=DEFAULT_MODEL,
        help='name of a model, or path of a config or of weights that hold one (default: '
        '%(default)s, the embedded one, which reads handwritten digits)',
    )
    parser.add_argument('--topk', type=int, default=5, help='classes to show (default: 5)')
    parser.add_argument(
        '--out',
        metavar='FILE',
        help=f"write here: {', '.join(SUFFIXES)}, or '-' for JSON to standard output; an "
        'interrupted run is resumed',
    )
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Classify the images, and print a table or write a file."""
    if args.topk < 1:
        raise WrnError('--topk must be at least 1')
    shard = find_shard()
    to_file = args.out not in (None, '-')
    if to_file:
        parts = shard.names(args.out)
        args.out = parts[shard.index]
        check_out(args.out, 'predictions are', SUFFIXES)
    elif shard.count > 1:
        raise WrnError('several processes need --out FILE, of which each writes its part')
    inputs = InputImages(args.inputs)
    size = shard.size(inputs.total)
    fit_batch_size(args, size)
    predictor = Predictor(load_model_with_engine(args, shard))

    def describe(name: str, sample: DataSample) -> Record:
        best = best_classes(sample.pred_score, predictor.classes, args.topk)
        return Record(img_path=name, predictions=best)

    job = ImageJob('Predicting', predictor.stream, describe, args, size, hidden=shard.index > 0)
    images = shard.of(inputs)
    try:
        if to_file:
            run = describe_run('predict', args, 'topk') | dict(shard=str(shard))
            write = partial(write_predictions, topk=args.topk)
            results = PartialFile(args.out, run, write, parts)
            _predict_to_file(job, images, results, shard.count == 1)
        else:
            _predict(job, images)
    finally:
        if shard.index == 0:
            inputs.report_left_out()


def _predict(job: ImageJob, images: Iterable[ImageLike]) -> None:
    """Print the predictions, or write them to standard output."""
    failures: list[str] = []
    records = _failing_into(failures, job.records(images))
    shown = list(records) if job.args.out is None else []
    if job.args.out == '-':
        write_records(records, sys.stdout.buffer, '.json', job.args.topk)
    elif len(failures) < len(shown):
        Console().print(_table(shown))
    for failure in failures:
        print(f'wrn: {failure}', file=sys.stderr)
    if failures:
        number = len(shown) or job.total
        raise WrnError(f'{len(failures)} of {number} images could not be read')


def _failing_into(failures: list[str], records: Iterable[Record]) -> Iterator[Record]:
    for record in records:
        if 'error' in record:
            failures.append(record['error'])
        yield record


def _predict_to_file(
    job: ImageJob, images: Iterable[ImageLike], results: PartialFile, alone: bool
) -> None:
    start = time.perf_counter()
    earlier = job.write(results, images, _NAMED)
    seconds = time.perf_counter() - start
    rate = (results.done - earlier) / seconds
    print(
        f'wrn: {results.path}: {results.done} images, {rate:.1f} images/s'
        + (f'; {results.failed} could not be read, see the file' if results.failed else ''),
        file=sys.stderr,
    )
    # The end of a process with an error would be that of all that torchrun started with it.
    if results.failed == results.done and alone:
        raise WrnError(f'{results.failed} of {results.done} images could not be read')


def _table(records: list[Record]) -> Table:
    table = Table(box=None, header_style='bold')
    table.add_column('image', overflow='fold')
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
