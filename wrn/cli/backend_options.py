"""Options for inference: the images, the weights, and the backend that runs the network."""

import argparse
from typing import Any

from mmengine.device import get_device
from mmengine.model import BaseModel

from wrn.cli.arguments import check_at_least, pick
from wrn.cli.inputs import Shard
from wrn.jobs.loading import WeightsOptions, check_calibration, load_model, make_read_options


def check_inference(args: argparse.Namespace) -> None:
    """Check the arguments of :data:`wrn_base.options.INFERENCE_ARGUMENTS`.

    Args:
        args: The arguments.

    Raises:
        WrnError: If a number is out of range, or ``--calibration`` has no effect.
    """
    check_calibration(args.calibration, args.precision)
    check_at_least(args, batch_size=1, workers=0)


def load(args: argparse.Namespace, shard: Shard, **options: Any) -> BaseModel:
    """Load the model that the arguments name.

    Args:
        args: The arguments of :data:`wrn_base.options.INFERENCE_ARGUMENTS`, and ``model``.
        shard: The shard of this process, which determines its GPU.
        **options: Further arguments of :func:`wrn.get_model`.

    Returns:
        The model.

    Raises:
        WrnError: As :func:`wrn.jobs.loading.load_model` does.
    """
    device = args.device or get_device()
    if device == 'cuda' and shard.count > 1:
        device = f'cuda:{shard.local_index}'
    read = make_read_options(pick(args, WeightsOptions))
    return load_model(args.model, args.checkpoint, device, read, **options)


def get_backend_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments that :func:`wrn.get_model` takes for a backend.

    Args:
        args: The arguments of :data:`wrn_base.options.INFERENCE_ARGUMENTS`.
    """
    names = ('backend', 'precision', 'batch_size', 'calibration')
    return {name: getattr(args, name) for name in names}
