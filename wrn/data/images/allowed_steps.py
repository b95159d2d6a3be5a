"""Check preprocessing that comes from a file: its steps, its sizes and its normalization."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmpretrain.registry import TRANSFORMS

from wrn.config.config_errors import config_errors
from wrn.config.config_parts import is_statistic
from wrn.data.images.decoding import COLOR, from_array
from wrn.data.images.reading_step import split_reading
from wrn_base.errors import WrnError, count

# The type of a step can name any importable object. A file may name these, with these arguments.
_READING = {'to_float32', 'color_type', 'imdecode_backend'}
_SIZES = {'scale', 'crop_size'}
_RESIZE = {'scale', 'backend', 'interpolation'}
_STEPS = {
    'LoadImage': {'value_range', *_READING},
    'LoadImageFromFile': _READING,
    'Resize': {'keep_ratio', *_RESIZE},
    'ResizeEdge': {'edge', *_RESIZE},
    'CenterCrop': {'crop_size'},
    'PackInputs': set(),
}
MAX_SIDE = 1024  # pixels; the features of a larger image take gigabytes
_MAX_STEPS = 16
_MAX_LEVEL = 1e6  # of a mean or std: pixels of 16 bits are below 65536


def check_steps(pipeline: Sequence[Any], path: str, hint: str) -> None:
    """Check that a test pipeline has only allowed steps, and works.

    Args:
        pipeline: The config of each step.
        path: The file with the pipeline, for messages.
        hint: What to do about a step that is not allowed, for messages.

    Raises:
        WrnError: If a step is not allowed, or cannot be built or run.
    """
    if len(pipeline) > _MAX_STEPS:
        raise WrnError(
            f'{path}: test_dataloader.dataset.pipeline has {len(pipeline)} steps, more than '
            f'{_MAX_STEPS}; {hint}'
        )
    for step in pipeline:
        kind = str(step.get('type')) if isinstance(step, dict) else ''
        if kind not in _STEPS or step.keys() - {'type'} - _STEPS[kind]:
            raise WrnError(f'{path}: the preprocessing step {step} is not allowed; {hint}')
        for key in _SIZES & step.keys():
            if not _is_size(step[key]):
                raise WrnError(
                    f'{path}: the preprocessing step {kind} has {key}={step[key]!r}, not pixels '
                    f'from 1 to {MAX_SIDE}; {hint}'
                )
    with config_errors(path), DefaultScope.overwrite_default_scope('mmpretrain'):
        reading, steps = split_reading(pipeline)
        pixels = from_array(np.zeros((8, 8, 3), np.uint8), reading or COLOR)
        trial = dict(img=pixels, img_shape=(8, 8), ori_shape=(8, 8))
        Compose([TRANSFORMS.build(step) for step in steps])(trial)


def _is_size(value: Any) -> bool:
    """Return whether a value is a side, or the two sides of an image; -1 is the other's ratio."""
    sides = value if isinstance(value, list | tuple) else [value]
    return (
        len(sides) in (1, 2)
        and all(type(side) is int and (0 < side <= MAX_SIDE or side == -1) for side in sides)
        and max(sides) > 0
    )


def check_normalization(mean: Any, std: Any, channels: int, path: str | None) -> None:
    """Check the normalization in a file, or that a caller gives.

    Args:
        mean: The mean of each channel, for pixels from 0 to 255.
        std: The standard deviation of each channel.
        channels: The number of channels of the network's input.
        path: The file, for messages; None for a caller's.

    Raises:
        WrnError: If it is not a finite number for each channel, or a standard deviation is not
            positive.
    """
    for key, values, above in (('mean', mean, -_MAX_LEVEL), ('std', std, 0)):
        # NaN is in no range.
        if not is_statistic(values, channels) or not all(above < v < _MAX_LEVEL for v in values):
            wrong = f'{key}={str(values)[:100]}, not {count(channels, "usable number")}'
            if path is None:
                raise WrnError(f'mean and std: {wrong}; give one for each channel, std above 0')
            raise WrnError(
                f'{path}: the normalization in it has {wrong}; correct it, or give a file of plain '
                'weights and the config that they were trained with'
            )
