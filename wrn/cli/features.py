"""``wrn features``: what a network's stages compute of pictures, in a file."""

import argparse
import sys
from collections.abc import Iterable, Iterator

from rich.progress import Progress

from wrn.cli.backend_options import (
    add_engine_arguments,
    check_engine_arguments,
    fit_batch_size,
    show_log,
)
from wrn.cli.load_model import load_model
from wrn.cli.outputs import check_out
from wrn.cli.progress import ImageProgress
from wrn.cli.shards import find_shard
from wrn.data.images import LeftOut, count_images, find_images
from wrn.inference.feature_files import SUFFIXES, check_format, list_path, write_features
from wrn.inference.features import (
    STAGES,
    FeatureExtractor,
    Features,
    check_same_size,
    format_shape,
)
from wrn.utils.errors import ImageReadError, WrnError, some

HELP = "write what a network's stages compute of pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'inputs',
        nargs='+',
        help='pictures: paths, URLs, folders, glob patterns, .txt lists, .tar archives',
    )
    parser.add_argument('--model', required=True, help='name of a model or path of a config')
    parser.add_argument(
        '--stages',
        nargs='+',
        default=list(STAGES),
        metavar='STAGE',
        help=f'any of layer1, layer2 and so on (default: {" ".join(STAGES)})',
    )
    parser.add_argument('--pool', action='store_true', help='average over height and width')
    parser.add_argument(
        '--out',
        required=True,
        metavar='FILE',
        help=f'what to write ({", ".join(SUFFIXES)}); beside the first two, FILE.txt lists the '
        'pictures',
    )
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Write the features; pictures that cannot be read are told, left out, and counted."""
    check_engine_arguments(args)
    if find_shard().count > 1:
        raise WrnError('features are computed by one process; start it without torchrun')
    check_out(args.out, 'features are', SUFFIXES)
    check_format(args.out, args.stages, args.pool)
    counted, read = LeftOut(), LeftOut()
    total = count_images(args.inputs, counted)
    fit_batch_size(args, total)
    show_log()
    extractor = FeatureExtractor(
        load_model(args.model, args.checkpoint, args.device, head=None, neck=None),
        args.stages,
        args.pool,
        args.backend,
        args.precision,
        args.batch_size,
        args.calibration,
    )
    stream = extractor.stream(find_images(args.inputs, read), args.batch_size, args.workers)
    with ImageProgress() as progress:
        good = _Readable(check_same_size(stream), progress, total)
        number = write_features(args.out, good)
    if left_out := read if total is None else counted:  # before this command wrote a file there
        print(f'wrn: {some(args.inputs)}: {left_out}', file=sys.stderr)
    shapes = ', '.join(f'{name} {format_shape(shape)}' for name, shape in good.shapes.items())
    names = list_path(args.out)
    print(
        f'{args.out}: {number} picture{"s" * (number > 1)}, {shapes}, by {extractor.backend}'
        + (f'; {names} lists the pictures' if names else '')
    )
    if good.failed:
        raise WrnError(f'{good.failed} of {number + good.failed} pictures could not be read')


class _Readable:
    """The features of the pictures that can be read, of which it tells and counts the others."""

    def __init__(
        self, stream: Iterable[Features | ImageReadError], progress: Progress, total: int | None
    ) -> None:
        self.failed = 0
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._stream, self._progress = stream, progress
        self._task = progress.add_task('Features', total=total)

    def __iter__(self) -> Iterator[Features]:
        for item in self._stream:
            self._progress.advance(self._task)
            if isinstance(item, ImageReadError):
                self.failed += 1
                self._progress.console.print(
                    f'wrn: {item}', markup=False, highlight=False, soft_wrap=True
                )
            else:
                self.shapes = {name: values.shape for name, values in item.stages.items()}
                yield item
