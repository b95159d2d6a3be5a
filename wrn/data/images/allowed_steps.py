"""Check a preprocessing pipeline that comes from a file."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmpretrain.registry import TRANSFORMS

from wrn.config.config_errors import config_errors
from wrn.data.images.decoding import COLOR, from_array
from wrn.data.images.reading_step import split_reading
from wrn.utils.errors import WrnError

# The type of a step can name any importable object. A file may name these, with these arguments.
_READING = {'to_float32', 'color_type', 'imdecode_backend'}
_RESIZE = {'scale', 'backend', 'interpolation'}
_STEPS = {
    'LoadImage': {'value_range', *_READING},
    'LoadImageFromFile': _READING,
    'Resize': {'keep_ratio', *_RESIZE},
    'ResizeEdge': {'edge', *_RESIZE},
    'CenterCrop': {'crop_size'},
    'PackInputs': set(),
}


def check_steps(pipeline: Sequence[Any], path: str, hint: str) -> None:
    """Check that a test pipeline has only allowed steps, and works.

    Args:
        pipeline: The config of each step.
        path: The file with the pipeline, for messages.
        hint: What to do about a step that is not allowed, for messages.

    Raises:
        WrnError: If a step is not allowed, or cannot be built or run.
    """
    for step in pipeline:
        kind = str(step.get('type')) if isinstance(step, dict) else ''
        if kind not in _STEPS or step.keys() - {'type'} - _STEPS[kind]:
            raise WrnError(f'{path}: the preprocessing step {step} is not allowed; {hint}')
    with config_errors(path), DefaultScope.overwrite_default_scope('mmpretrain'):
        reading, steps = split_reading(pipeline)
        pixels = from_array(np.zeros((8, 8, 3), np.uint8), reading or COLOR)
        trial = dict(img=pixels, img_shape=(8, 8), ori_shape=(8, 8))
        Compose([TRANSFORMS.build(step) for step in steps])(trial)
