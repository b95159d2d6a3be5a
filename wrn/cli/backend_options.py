"""The options that say what runs a network, and how it gets its pictures."""

import argparse
import logging
import os

from mmengine.device import get_device
from mmengine.model import BaseModel

from wrn.cli.load_model import load_model
from wrn.cli.shards import Shard
from wrn.deploy.engines import BACKENDS, PRECISIONS
from wrn.utils.errors import WrnError


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the images, and the arguments that say what runs the network."""
    parser.add_argument(
        'inputs',
        nargs='+',
        help='images: paths, URLs, folders, glob patterns, .txt lists of paths, .tar archives',
    )
    parser.add_argument('--checkpoint', help="weights: a path or URL (default: the model's own)")
    parser.add_argument('--device', help='such as cuda:1 (default: the accelerator, else the CPU)')
    group = parser.add_argument_group('speed')
    group.add_argument('--batch-size', type=int, default=32, help='(default: 32)')
    group.add_argument(
        '--workers',
        type=int,
        default=min(os.cpu_count() or 1, 8),
        help='threads that decode pictures while the network runs (default: %(default)s)',
    )
    _add_backend_arguments(group)


def add_backend_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that say what runs a network."""
    _add_backend_arguments(parser.add_argument_group('engine'))


def _add_backend_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--backend',
        choices=BACKENDS,
        default='eager',
        help='what runs the network; auto takes the fastest that is installed, by trying, which '
        'pays for some hundred pictures (default: eager)',
    )
    group.add_argument(
        '--precision',
        choices=PRECISIONS,
        default='float32',
        help='what the backend computes in (default: float32)',
    )
    group.add_argument(
        '--calibration', metavar='FOLDER', help='pictures to calibrate --precision int8 with'
    )


def check_backend_arguments(args: argparse.Namespace) -> None:
    """Check that pictures to calibrate with are of use.

    Args:
        args: The arguments, with those of :func:`add_backend_arguments`.

    Raises:
        WrnError: If they are not.
    """
    if args.calibration and args.precision != 'int8':
        raise WrnError('--calibration: is for --precision int8; add that, or leave it out')


def check_engine_arguments(args: argparse.Namespace) -> None:
    """Check the arguments.

    Args:
        args: The arguments, with those of :func:`add_engine_arguments`.

    Raises:
        WrnError: If one is out of its range.
    """
    check_backend_arguments(args)
    if args.batch_size < 1 or args.workers < 0:
        raise WrnError('--batch-size must be at least 1, and --workers at least 0')


def fit_batch_size(args: argparse.Namespace, total: int | None) -> None:
    """Make batches no larger than there are pictures: engines are tuned for a size of them.

    Args:
        args: The arguments, which are changed.
        total: How many pictures there are, if it is known.
    """
    if total:
        args.batch_size = min(args.batch_size, total)


def load_model_with_engine(args: argparse.Namespace, shard: Shard) -> BaseModel:
    """Build the model that the arguments say, with weights, and say what engine it has.

    Args:
        args: The arguments, with those of :func:`add_engine_arguments` and ``model``.
        shard: The part of the work that is this process's, and so its GPU.

    Returns:
        The model.

    Raises:
        WrnError: If it or its weights cannot be had, or would be random.
    """
    check_engine_arguments(args)
    device = args.device or get_device()
    if device == 'cuda' and shard.count > 1:
        device = f'cuda:{shard.local_index}'
    show_log()
    return load_model(
        args.model,
        args.checkpoint,
        device,
        backend=args.backend,
        precision=args.precision,
        batch_size=args.batch_size,
        calibration=args.calibration,
    )


def show_log() -> None:
    """Show on standard error what this package logs."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter('wrn: %(message)s'))
    logger = logging.getLogger('wrn')
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
