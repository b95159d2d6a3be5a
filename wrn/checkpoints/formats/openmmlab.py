"""OpenMMLab's state dicts, of mmpretrain and of its predecessor mmcls: this package's own."""

from collections.abc import Mapping

from torch import Tensor

TITLE = "OpenMMLab's"


def recognise(state_dict: Mapping[str, Tensor]) -> bool:
    """Tell whether the keys are those of an ``ImageClassifier``."""
    return any(key.startswith('backbone.') for key in state_dict)


def to_openmmlab(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict as it is."""
    return dict(state_dict)


from_openmmlab = to_openmmlab
