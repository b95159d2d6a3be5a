"""Options for inference: the images, the weights, and the backend that runs the network."""

import argparse
import os
import warnings
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.model import BaseModel

from wrn.cli.inputs import Shard
from wrn.deploy.engines import BACKENDS, PRECISIONS
from wrn.utils.errors import RandomWeightsWarning, WrnError
from wrn.zoo.factory import get_model


def add_inference_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the images, and the options of weights, device, speed and backend."""
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
    add_backend_arguments(group)


def add_backend_arguments(group: argparse._ArgumentGroup) -> None:
    """Declare the options of the backend.

    Args:
        group: A group of options of a command.
    """
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


def check_calibration(args: argparse.Namespace) -> None:
    """Check that ``--calibration`` has an effect.

    Args:
        args: The arguments, with ``calibration`` and ``precision``.

    Raises:
        WrnError: If it has none.
    """
    if args.calibration and args.precision != 'int8':
        raise WrnError('--calibration: is for --precision int8; add that, or leave it out')


def check_inference_arguments(args: argparse.Namespace) -> None:
    """Check the arguments of :func:`add_inference_arguments`.

    Args:
        args: The arguments.

    Raises:
        WrnError: If a number is out of range, or ``--calibration`` has no effect.
    """
    check_calibration(args)
    if args.batch_size < 1 or args.workers < 0:
        raise WrnError('--batch-size must be at least 1, and --workers at least 0')


def load_in_backend(args: argparse.Namespace, shard: Shard) -> BaseModel:
    """Load the model that the arguments name into their backend.

    Args:
        args: The arguments of :func:`add_inference_arguments`, and ``model``.
        shard: The shard of this process, which determines its GPU.

    Returns:
        The model.

    Raises:
        WrnError: As :func:`load_model` does.
    """
    device = args.device or get_device()
    if device == 'cuda' and shard.count > 1:
        device = f'cuda:{shard.local_index}'
    return load_model(args.model, args.checkpoint, device, **get_backend_options(args))


def get_backend_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments that :func:`wrn.get_model` takes for a backend.

    Args:
        args: The arguments of :func:`add_inference_arguments`.
    """
    names = ('backend', 'precision', 'batch_size', 'calibration')
    return {name: getattr(args, name) for name in names}


def load_model(
    model: str, checkpoint: str | None, device: str | None = None, **options: Any
) -> BaseModel:
    """Load a model with weights.

    Args:
        model: As for :func:`wrn.get_model`.
        checkpoint: The path or URL of the weights; None for the model's own.
        device: The device. Defaults to None: the accelerator if there is one, else the CPU.
        **options: Further arguments of :func:`wrn.get_model`.

    Returns:
        The model.

    Raises:
        WrnError: If the model cannot be loaded, its weights would be random, or the device is
            unavailable.
    """
    device = device or get_device()
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise WrnError(f'--device {device}: cannot be used here ({reason})') from error
    with warnings.catch_warnings():
        warnings.simplefilter('error', RandomWeightsWarning)
        try:
            return get_model(model, checkpoint or True, device, **options)
        except RandomWeightsWarning as warning:
            cure = '' if checkpoint else '; give weights with --checkpoint'
            raise WrnError(f'{model}: {warning}{cure}') from None
