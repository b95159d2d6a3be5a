"""torchvision's state dicts, which timm's are too: ``conv1``, ``layer1.0.conv1``, ``fc``."""

import re
from collections.abc import Mapping

from torch import Tensor

TITLE = "torchvision's and timm's"
_BLOCK = re.compile(r'layer\d\.\d+\.(?:conv\d|bn\d|downsample\.[01])\.')
_BACKBONE, _HEAD = 'backbone.', 'head.'


def recognise(state_dict: Mapping[str, Tensor]) -> bool:
    """Tell whether the keys are mostly those of torchvision's ``ResNet``; some may be lost."""
    known = sum(bool(_BLOCK.match(key)) for key in state_dict)
    return known > len(state_dict) / 2


def to_openmmlab(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys to OpenMMLab's."""
    return {
        (_HEAD if key.startswith('fc.') else _BACKBONE) + key: value
        for key, value in state_dict.items()
    }


def from_openmmlab(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename OpenMMLab's keys."""
    return {
        key.removeprefix(_BACKBONE).removeprefix(_HEAD): value for key, value in state_dict.items()
    }
