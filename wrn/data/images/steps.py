"""The steps by which a file may say that pictures are prepared."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmpretrain.datasets import remove_transform
from mmpretrain.registry import TRANSFORMS

from wrn.config.config_errors import config_errors
from wrn.utils.errors import WrnError

# Types are imported by their names, so a file may name these alone, with these arguments.
_RESIZE = {'scale', 'backend', 'interpolation'}
_STEPS = {
    'LoadImageFromFile': {'to_float32', 'color_type', 'imdecode_backend'},
    'Resize': {'keep_ratio', *_RESIZE},
    'ResizeEdge': {'edge', *_RESIZE},
    'CenterCrop': {'crop_size'},
    'PackInputs': set(),
}


def check_steps(pipeline: Sequence[Any], source: str, cure: str) -> None:
    """Check that a test pipeline has usual steps alone, and works.

    Args:
        pipeline: The config of each step.
        source: The file that says so, for messages.
        cure: What to do about other steps, for messages.

    Raises:
        WrnError: If a step is none of those that a file may name, or cannot be built.
    """
    for step in pipeline:
        kind = str(step.get('type')) if isinstance(step, dict) else ''
        if kind not in _STEPS or step.keys() - {'type'} - _STEPS[kind]:
            raise WrnError(f'{source}: prepares pictures by {step}, which it may not; {cure}')
    with config_errors(source), DefaultScope.overwrite_default_scope('mmpretrain'):
        steps = remove_transform(list(pipeline), 'LoadImageFromFile')
        trial = dict(img=np.zeros((8, 8, 3), np.uint8), img_shape=(8, 8), ori_shape=(8, 8))
        Compose([TRANSFORMS.build(step) for step in steps])(trial)
