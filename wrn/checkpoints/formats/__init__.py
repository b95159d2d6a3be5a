"""The formats in which Wide-ResNets are published: pure functions from state dict to state dict.

Each format's module has a ``recognise`` that tells its state dicts from their keys and shapes, a
``to_openmmlab`` and a ``from_openmmlab``. OpenMMLab's own keys, which are this package's, are
``backbone.*`` and ``head.fc.*``. Those of networks for 32x32 pixels have a ``backbone``, too: the
options of the network that the format means and no key or shape tells.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from torch import Tensor

from wrn.checkpoints.formats import (
    authors_cifar,
    deepmind,
    folded,
    openmmlab,
    torchvision,
    usb,
    xternalz,
)

_CIFAR: dict[str, ModuleType] = {
    'authors-cifar': authors_cifar,
    'xternalz': xternalz,
    'usb': usb,
    'deepmind': deepmind,
}
# In the order in which they are tried.
FORMATS: dict[str, ModuleType] = {
    'openmmlab': openmmlab,
    'torchvision': torchvision,
    'authors': folded,
    **_CIFAR,
}


def recognise(state_dict: Mapping[str, Tensor]) -> str | None:
    """Tell the format of a state dict from its keys and shapes.

    Args:
        state_dict: The weights, without the prefixes of wrappers.

    Returns:
        A key of :data:`FORMATS`; None if it is none of these.
    """
    return next((name for name, form in FORMATS.items() if form.recognise(state_dict)), None)


def get_network(name: str) -> str | None:
    """Return the type of the networks that have a format; None if all have it."""
    if name == 'openmmlab':
        return None
    return 'WideResNetCIFAR' if name in _CIFAR else 'WideResNet'


def get_backbone(name: str, state_dict: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """Return the options of the network that a format means.

    Args:
        name: A key of :data:`FORMATS`.
        state_dict: The weights, in this format.

    Returns:
        The config of the backbone, but for what keys and shapes tell; an option that is not in it
        has its default, and one that is None is not known. None if the format means no certain
        options.
    """
    return _CIFAR[name].backbone(state_dict) if name in _CIFAR else None
