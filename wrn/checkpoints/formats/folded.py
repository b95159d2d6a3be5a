"""The authors' ImageNet export, such as ``wide-resnet-50-2-export-5ae25d50.pth``.

Its batch norms are folded into the convolutions (szagoruyko/functional-zoo,
``wide-resnet-50-2-export.ipynb``): ``conv0``, ``group{0-3}.block{i}.conv{0,1,2}``,
``group{0-3}.block0.conv_dim`` and ``fc``, each with weight and bias.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

TITLE = "the authors' ImageNet export"
_EPS = 1e-5
_STATISTICS = ('weight', 'bias', 'running_mean', 'running_var')
_KEY = re.compile(r'group(\d)\.block(\d+)\.conv(\d|_dim)$')
_OURS = re.compile(r'backbone\.layer(\d)\.(\d+)\.(?:conv(\d)|downsample\.0)$')


def recognise(state_dict: Mapping[str, Tensor]) -> bool:
    """Tell whether keys are those of the export; in the authors' CIFAR files none has a bias."""
    modules = [key.removesuffix('.bias') for key in state_dict if key.endswith('.bias')]
    return any(_KEY.match(module) for module in modules)


def to_openmmlab(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Turn each convolution's bias into a batch norm that adds it and changes nothing else.

    Batch norm divides by ``sqrt(running_var + eps)``, which its weight undoes.
    """
    converted: dict[str, Tensor] = {}
    for key, value in state_dict.items():
        module, _, name = key.rpartition('.')
        if module == 'fc':
            converted[f'head.{key}'] = value
        elif name == 'weight':
            converted[f'{_conv(module)}.weight'] = value
            norm, channels = _norm(_conv(module)), value.new_ones(len(value))
            converted[f'{norm}.weight'] = channels * (1 + _EPS) ** 0.5
            converted[f'{norm}.running_mean'] = torch.zeros_like(channels)
            converted[f'{norm}.running_var'] = channels
        elif name == 'bias':
            converted[f'{_norm(_conv(module))}.bias'] = value
        else:
            converted[key] = value
    return converted


def from_openmmlab(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fold each batch norm into the convolution before it.

    What :func:`to_openmmlab` made comes back bit by bit. Of other weights the outputs stay equal
    but for rounding, and the batch norms cannot be had back.
    """
    converted: dict[str, Tensor] = {}
    for key, value in state_dict.items():
        module, _, name = key.rpartition('.')
        if module == 'head.fc':
            converted[f'fc.{name}'] = value
        elif name == 'weight' and value.ndim == 4:
            weight, bias = _fold(value, _statistics(state_dict, _norm(module)))
            converted[f'{_their_conv(module)}.weight'] = weight
            converted[f'{_their_conv(module)}.bias'] = bias
        elif name not in (*_STATISTICS, 'num_batches_tracked'):
            converted[key] = value
    return converted


def is_folded(state_dict: Mapping[str, Tensor]) -> bool:
    """Tell whether folding loses nothing, as every batch norm only adds."""
    return all(
        _only_adds(*_statistics(state_dict, _norm(module)))
        for module, _, name in (key.rpartition('.') for key in state_dict)
        if name == 'weight' and state_dict[f'{module}.weight'].ndim == 4
    )


def _statistics(state_dict: Mapping[str, Tensor], norm: str) -> list[Tensor]:
    return [state_dict[f'{norm}.{name}'] for name in _STATISTICS]


def _only_adds(weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> bool:
    gain = torch.ones_like(weight) * (1 + _EPS) ** 0.5
    return bool((weight == gain).all() and (mean == 0).all() and (var == 1).all())


def _fold(kernel: Tensor, statistics: list[Tensor]) -> tuple[Tensor, Tensor]:
    if _only_adds(*statistics):
        return kernel, statistics[1]
    weight, bias, mean, var = (value.double() for value in statistics)
    gain = weight / (var + _EPS).sqrt()
    precision = torch.promote_types(kernel.dtype, torch.float32)
    folded = kernel.to(precision) * gain.to(precision).view(-1, 1, 1, 1)
    return folded.to(kernel.dtype), (bias - mean * gain).to(kernel.dtype)


def _conv(module: str) -> str:
    if module == 'conv0':
        return 'backbone.conv1'
    if not (match := _KEY.match(module)):
        return module
    group, block, conv = match.groups()
    name = 'downsample.0' if conv == '_dim' else f'conv{int(conv) + 1}'
    return f'backbone.layer{int(group) + 1}.{block}.{name}'


def _their_conv(module: str) -> str:
    if module == 'backbone.conv1':
        return 'conv0'
    if not (match := _OURS.match(module)):
        return module
    layer, block, conv = match.groups()
    name = f'conv{int(conv) - 1}' if conv else 'conv_dim'
    return f'group{int(layer) - 1}.block{block}.{name}'


def _norm(conv: str) -> str:
    """Return the name of the batch norm behind a convolution, by OpenMMLab's name of it."""
    if conv.endswith('downsample.0'):
        return conv.removesuffix('0') + '1'
    head, _, number = conv.rpartition('conv')
    return f'{head}bn{number}'
