"""Options for inference: the images, the weights, and the backend that runs the network."""

import argparse
import warnings
from typing import Any

from mmengine.device import get_device
from mmengine.model import BaseModel

from wrn.cli.arguments import (
    check_at_least,
    get_read_options,
)
from wrn.cli.inputs import Shard
from wrn.utils.devices import check_device
from wrn.zoo.factory import get_model
from wrn_base.errors import RandomWeightsWarning, WrnError


def check_calibration(args: argparse.Namespace) -> None:
    """Check that ``--calibration`` has an effect.

    Args:
        args: The arguments, with ``calibration`` and ``precision``.

    Raises:
        WrnError: If it has none.
    """
    if args.calibration and args.precision != 'int8':
        raise WrnError(
            '--calibration: is only for --precision int8; add that, or leave out --calibration'
        )


def check_inference(args: argparse.Namespace) -> None:
    """Check the arguments of :data:`wrn_base.options.INFERENCE_ARGUMENTS`.

    Args:
        args: The arguments.

    Raises:
        WrnError: If a number is out of range, or ``--calibration`` has no effect.
    """
    check_calibration(args)
    check_at_least(args, batch_size=1, workers=0)


def load_in_backend(args: argparse.Namespace, shard: Shard) -> BaseModel:
    """Load the model that the arguments name into their backend.

    Args:
        args: The arguments of :data:`wrn_base.options.INFERENCE_ARGUMENTS`, and ``model``.
        shard: The shard of this process, which determines its GPU.

    Returns:
        The model.

    Raises:
        WrnError: As :func:`load_model` does.
    """
    device = args.device or get_device()
    if device == 'cuda' and shard.count > 1:
        device = f'cuda:{shard.local_index}'
    return load_model(args, device, **get_backend_options(args))


def get_backend_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments that :func:`wrn.get_model` takes for a backend.

    Args:
        args: The arguments of :data:`wrn_base.options.INFERENCE_ARGUMENTS`.
    """
    names = ('backend', 'precision', 'batch_size', 'calibration')
    return {name: getattr(args, name) for name in names}


def load_model(args: argparse.Namespace, device: str | None = None, **options: Any) -> BaseModel:
    """Load a model with weights.

    Args:
        args: The arguments, with ``model``, ``checkpoint`` and
            :data:`wrn_base.options.WEIGHTS_ARGUMENTS`.
        device: The device. Defaults to None: the accelerator if there is one, else the CPU.
        **options: Further arguments of :func:`wrn.get_model`.

    Returns:
        The model.

    Raises:
        WrnError: If the model cannot be loaded, its weights would be random, or the device is
            unavailable.
    """
    device = device or get_device()
    check_device(device)
    read = get_read_options(args)
    if read.mean:
        options['data_preprocessor'] = dict(mean=read.mean, std=read.std)
    with warnings.catch_warnings():
        warnings.simplefilter('error', RandomWeightsWarning)
        try:
            return get_model(
                args.model,
                args.checkpoint or True,
                device,
                key=read.key,
                prefix=read.prefix,
                **options,
            )
        except RandomWeightsWarning as warning:
            cure = '' if args.checkpoint else '; give weights with --checkpoint'
            raise WrnError(f'{args.model}: {warning}{cure}') from None
