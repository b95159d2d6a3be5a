"""``wrn predict``: classify pictures."""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wrn.cli.backend_options import add_engine_arguments, fit_batch_size, load_model_with_engine
from wrn.cli.outputs import check_out
from wrn.cli.progress import ImageProgress
from wrn.cli.shards import Shard, find_shard
from wrn.data.images import ImageLike, LeftOut, count_images, find_images
from wrn.inference.predictor import Predictor
from wrn.inference.records import SUFFIXES, Record, check_format, describe, write_records
from wrn.inference.result_file import ResultFile
from wrn.utils.errors import WrnError, some

HELP = 'classify pictures'
DEFAULT_MODEL = 'wide-resnet16-2_1xb64_digits'
_NAMED = 10  # how many unreadable pictures are named where a file names all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'inputs',
        nargs='+',
        help='pictures: paths, URLs, folders, glob patterns, .txt lists of paths, .tar archives',
    )
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
        'interrupted run goes on where it stopped',
    )
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Classify the pictures, and print a table or write a file."""
    if args.topk < 1:
        raise WrnError('--topk must be at least 1')
    shard = find_shard()
    to_file = args.out not in (None, '-')
    if to_file:
        parts = shard.names(args.out)
        args.out = parts[shard.index]
        check_out(args.out, 'predictions are', SUFFIXES)
        check_format(Path(args.out).suffix)
    elif shard.count > 1:
        raise WrnError('several processes need --out FILE, of which each writes its part')
    counted, read = LeftOut(), LeftOut()
    total = count_images(args.inputs, counted)
    fit_batch_size(args, shard.size(total))
    predictor = Predictor(load_model_with_engine(args, shard))
    pictures = shard.of(find_images(args.inputs, read))
    try:
        if to_file:
            _predict_to_file(predictor, pictures, shard.size(total), args, shard, parts)
        else:
            _predict(predictor, pictures, total, args)
    finally:
        left_out = read if total is None else counted  # before this command wrote a file there
        if left_out and shard.index == 0:
            print(f'wrn: {some(args.inputs)}: {left_out}', file=sys.stderr)


def _predict(
    predictor: Predictor, pictures: Iterator[ImageLike], total: int | None, args: argparse.Namespace
) -> None:
    """Print the predictions, or write them to standard output."""
    failures: list[str] = []
    records = _failing_into(failures, _records(predictor, pictures, total, args))
    shown = list(records) if args.out is None else []
    if args.out == '-':
        write_records(records, sys.stdout.buffer, '.json', args.topk)
    elif len(failures) < len(shown):
        Console().print(_table(shown))
    for failure in failures:
        print(f'wrn: {failure}', file=sys.stderr)
    if failures:
        number = len(shown) or total
        raise WrnError(f'{len(failures)} of {number} pictures could not be read')


def _failing_into(failures: list[str], records: Iterable[Record]) -> Iterator[Record]:
    for record in records:
        if 'error' in record:
            failures.append(record['error'])
        yield record


def _predict_to_file(
    predictor: Predictor,
    pictures: Iterator[ImageLike],
    total: int | None,
    args: argparse.Namespace,
    shard: Shard,
    parts: list[str],
) -> None:
    keys = ('inputs', 'model', 'checkpoint', 'backend', 'precision', 'calibration')
    run: dict[str, Any] = {key: getattr(args, key) for key in keys}
    run |= dict(shard=str(shard), files=[_state(path) for path in (args.model, args.checkpoint)])
    results = ResultFile(args.out, args.topk, run, parts)
    start = time.perf_counter()
    try:
        with results.resumed(pictures) as rest:
            earlier, named = results.done, 0
            if earlier:
                print(f'wrn: {earlier} pictures are done, going on behind them', file=sys.stderr)
            records = _records(predictor, rest, total, args, earlier, hidden=shard.index > 0)
            while batch := list(islice(records, args.batch_size)):
                results.add(batch)
                failures = [record['error'] for record in batch if 'error' in record]
                for failure in failures[: _NAMED - named]:
                    print(f'wrn: {failure}', file=sys.stderr)
                named = min(_NAMED, named + len(failures))
    except KeyboardInterrupt:
        print(f'wrn: stopped; the same command goes on after {results.done}', file=sys.stderr)
        raise
    seconds = time.perf_counter() - start
    rate = (results.done - earlier) / seconds
    print(
        f'wrn: {args.out}: {results.done} pictures, {rate:.1f} images/s'
        + (f'; {results.failed} could not be read, as it says' if results.failed else ''),
        file=sys.stderr,
    )
    # The end of a process with an error would be that of all that torchrun started with it.
    if results.failed == results.done and shard.count == 1:
        raise WrnError(f'{results.failed} of {results.done} pictures could not be read')


def _state(path: str | None) -> list[int] | None:
    """Tell a file from what may stand there later; None of what is none."""
    if path is None or not Path(path).is_file():
        return None
    stat = Path(path).stat()
    return [stat.st_size, stat.st_mtime_ns]


def _records(
    predictor: Predictor,
    pictures: Iterable[ImageLike],
    total: int | None,
    args: argparse.Namespace,
    done: int = 0,
    hidden: bool = False,
) -> Iterator[Record]:
    """Predict; show how far it is, unless that is hidden."""
    names: list[str] = []

    def named() -> Iterator[ImageLike]:
        for picture in pictures:
            names.append(str(picture))
            yield picture

    samples = predictor.stream(named(), args.batch_size, args.workers)
    few = total is not None and total <= args.batch_size
    with ImageProgress(hidden or few) as progress:
        task = progress.add_task('Predicting', total=total, completed=done)
        for sample in samples:
            yield describe(names.pop(0), sample, predictor.classes, args.topk)
            progress.advance(task)


def _table(records: list[Record]) -> Table:
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
