"""Find the layer of a network whose feature map is explained."""

from typing import Any

import torch
from mmpretrain.models import ResNet
from torch import Tensor, nn

from wrn.models import WideResNetCIFAR
from wrn_base.errors import WrnError, did_you_mean

# They also work on the weights of attention, (N, heads, L, L), which are no feature map.
_OF_ATTENTION = (nn.Softmax, nn.Dropout)
_LONG = 80  # characters of a wrong name that a message shows


def find_layer(network: nn.Module, layer: str | None) -> str | None:
    """Return the name of a layer of a network, as in ``named_modules``.

    Args:
        network: The classifier.
        layer: Its name, with or without ``backbone.`` before it. None is the last one with a
            feature map: the last block of a ResNet's last stage, and of a
            :class:`wrn.models.WideResNetCIFAR` the activation after the last norm.

    Returns:
        The name. None if no layer is given and the network is of another type, so that only
        :func:`find_last_map` can find it.

    Raises:
        WrnError: If the network has no layer of this name.
    """
    modules = {name: module for name, module in network.named_modules() if name}
    if layer is None:
        backbone: Any = getattr(network, 'backbone', None)
        if isinstance(backbone, WideResNetCIFAR):
            return 'backbone.act'
        if isinstance(backbone, ResNet):
            stage = backbone.res_layers[-1]
            return f'backbone.{stage}.{len(getattr(backbone, stage)) - 1}'
        return None
    for name in (layer, f'backbone.{layer}'):
        if name in modules:
            return name
    inner = [name for name in modules if name.startswith('backbone.')] or list(modules)
    short = [name.removeprefix('backbone.') for name in inner]
    blocks = [name for name in short if name.startswith('layer') and '.' not in name]
    near = did_you_mean(
        layer[:_LONG],
        [*inner, *short],
        f'; give one such as {(blocks or short)[-1]}, see the named_modules() of the network',
    )
    raise WrnError(f'--layer {layer[:_LONG]!r}: the network has no such layer{near}')


def find_last_map(network: nn.Module, inputs: Tensor) -> str:
    """Return the name of the last layer of the backbone whose output is a feature map.

    Args:
        network: The classifier, in eval mode.
        inputs: Normalized images, ``(N, C, H, W)``.

    Returns:
        The name of the layer that ends last, of those whose output is ``(N, C, h, w)`` with more
        than one position.

    Raises:
        WrnError: If there is none.
    """
    found: list[str] = []
    handles = []

    def watch(name: str, module: nn.Module) -> None:
        def note(_: nn.Module, __: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and output[0, 0].numel() > 1:
                found.append(name)

        handles.append(module.register_forward_hook(note))

    backbone = getattr(network, 'backbone', network)
    prefix = '' if backbone is network else 'backbone.'
    for name, module in backbone.named_modules():
        if name and not isinstance(module, _OF_ATTENTION):
            watch(prefix + name, module)
    try:
        with torch.no_grad():
            network(inputs[:1])
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise WrnError(
            f'{type(backbone).__name__}: no layer has a feature map (N, C, H, W); use a '
            'convolutional network'
        )
    return found[-1]
