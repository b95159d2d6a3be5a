"""torchvision's state dicts, which timm's are too: ``conv1``, ``layer1.0.conv1``, ``fc``."""

from collections.abc import Mapping

from torch import Tensor

TITLE = "torchvision's and timm's"
_BACKBONE, _HEAD = 'backbone.', 'head.'


def recognise(state_dict: Mapping[str, Tensor]) -> bool:
    """Tell whether the keys are those of torchvision's ``ResNet``."""
    return {'bn1.weight', 'layer1.0.conv1.weight', 'layer1.0.bn1.weight'} <= state_dict.keys()


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
