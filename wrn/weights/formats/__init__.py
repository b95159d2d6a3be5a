"""The formats in which Wide-ResNets are published: pure functions from state dict to state dict.

Each format's module has a ``recognise`` that tells its state dicts from their keys and shapes, a
``to_openmmlab`` and a ``from_openmmlab``. OpenMMLab's own keys, which are this package's, are
``backbone.*`` and ``head.fc.*``.
"""

from collections.abc import Mapping
from types import ModuleType

from torch import Tensor

from wrn.weights.formats import folded, openmmlab, torchvision

# In the order in which they are tried.
FORMATS: dict[str, ModuleType] = {
    'openmmlab': openmmlab,
    'torchvision': torchvision,
    'authors': folded,
}


def recognise(state_dict: Mapping[str, Tensor]) -> str | None:
    """Tell the format of a state dict from its keys and shapes.

    Args:
        state_dict: The weights, without the prefixes of wrappers.

    Returns:
        A key of :data:`FORMATS`; None if it is none of these.
    """
    return next((name for name, form in FORMATS.items() if form.recognise(state_dict)), None)
