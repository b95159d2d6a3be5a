"""Load a model for a job, with the weights and normalization that its caller states."""

import math
import warnings
from os import PathLike
from typing import Any, TypedDict

from mmengine.device import get_device
from mmengine.model import BaseModel

from wrn.checkpoints import ReadOptions
from wrn.checkpoints.assumptions import check_scale
from wrn.utils.devices import check_device
from wrn.zoo.factory import get_model
from wrn.zoo.resolve import ModelLike
from wrn_base.errors import RandomWeightsWarning, WrnError

_CHANNELS = 3


class WeightsOptions(TypedDict, total=False):
    """What to take from a file of weights, and what it does not state.

    Attributes:
        key: The key of the weights if a file has several sets, such as ``'model_ema'``.
        prefix: The beginning of the keys of the network in the file, such as ``'student.'``.
        mean: The mean of the input, one value or one per channel (RGB), for pixels from 0 to 255.
        std: The standard deviation of the input.
    """

    key: str | None
    prefix: str | None
    mean: list[float] | None
    std: list[float] | None


def make_read_options(options: WeightsOptions) -> ReadOptions:
    """Return what to take from a file of weights.

    Args:
        options: The options, among others.

    Raises:
        WrnError: If only one of mean and std is given, or a value is wrong.
    """
    given = [options.get('mean'), options.get('std')]
    if (given[0] is None) != (given[1] is None):
        raise WrnError('--mean and --std: only one is given; give both')
    for name, values in zip(('--mean', '--std'), given, strict=True):
        if values and len(values) not in (1, _CHANNELS):
            raise WrnError(f'{name}: has {len(values)} values; give 1, or {_CHANNELS} for RGB')
        if values and not all(math.isfinite(value) for value in values):
            raise WrnError(f'{name}: has a value that is not finite; give finite numbers')
    if (std := given[1]) and min(std) <= 0:
        raise WrnError(f'--std {min(std):g}: must be greater than 0')
    check_scale(given[1], '--std')
    return ReadOptions(options.get('key'), options.get('prefix'), *given)


def check_calibration(calibration: object, precision: str) -> None:
    """Check that images for calibration have an effect.

    Args:
        calibration: The images. None passes.
        precision: The precision of the computation.

    Raises:
        WrnError: If they have none.
    """
    if calibration and precision != 'int8':
        raise WrnError(
            '--calibration: is only for --precision int8; add that, or leave out --calibration'
        )


def load_model(
    model: ModelLike,
    checkpoint: str | PathLike[str] | None = None,
    device: str | None = None,
    read: ReadOptions = ReadOptions(),
    **options: Any,
) -> BaseModel:
    """Load a model with weights.

    Args:
        model: What :func:`wrn.zoo.resolve.resolve` takes.
        checkpoint: The weights. Defaults to None, the model's own.
        device: The device. Defaults to None: the accelerator if there is one, else the CPU.
        read: What to take from the file of weights. Defaults to the usual.
        **options: Further arguments of :func:`wrn.get_model`.

    Returns:
        The model.

    Raises:
        WrnError: If the model cannot be loaded, its weights would be random, or the device is
            unavailable.
    """
    device = device or get_device()
    check_device(device)
    if read.mean:
        options['data_preprocessor'] = dict(mean=read.mean, std=read.std)
    with warnings.catch_warnings():
        warnings.simplefilter('error', RandomWeightsWarning)
        try:
            weights = checkpoint or True
            return get_model(model, weights, device, key=read.key, prefix=read.prefix, **options)
        except RandomWeightsWarning as warning:
            cure = '' if checkpoint else '; give weights with --checkpoint'
            raise WrnError(f'{model}: {warning}{cure}') from None
