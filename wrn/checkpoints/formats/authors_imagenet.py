"""The authors' ImageNet export, such as ``wide-resnet-50-2-export-5ae25d50.pth``.

szagoruyko/functional-zoo, ``wide-resnet-50-2-export.ipynb``: ``conv0``,
``group{0-3}.block{i}.conv{0,1,2}``, ``group{0-3}.block0.conv_dim`` and ``fc``, each with weight and
bias. The batch norms are folded into the convolutions.
"""

import re
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from wrn.checkpoints.formats.checkpoint_format import Implied
from wrn.checkpoints.formats.renaming import RenamedFormat

_EPS = 1e-5
_STATISTICS = ('weight', 'bias', 'running_mean', 'running_var')
_BIAS = re.compile(r'group\d\.block\d+\.conv(\d|_dim)\.bias$')


class AuthorsImageNet(RenamedFormat):
    """The format of the export, with batch norms folded into the convolutions."""

    name = 'authors'
    title = "the authors' ImageNet export"
    network = 'WideResNet'
    drops = ('num_batches_tracked',)
    table: ClassVar[Mapping[str, str]] = {
        'backbone.conv1': 'conv0',
        'backbone.layer{stage}.{block}.conv1': 'group{group}.block{block}.conv0',
        'backbone.layer{stage}.{block}.conv2': 'group{group}.block{block}.conv1',
        'backbone.layer{stage}.{block}.conv3': 'group{group}.block{block}.conv2',
        'backbone.layer{stage}.{block}.downsample.0': 'group{group}.block{block}.conv_dim',
        'head.fc': 'fc',
    }

    def recognize(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Return whether a convolution of a block has a bias, unlike in the CIFAR files."""
        return any(_BIAS.match(key) for key in state_dict)

    def to_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Turn the bias of each convolution into a batch norm that only adds the bias.

        Batch norm divides by ``sqrt(running_var + eps)``. Its weight cancels this factor.
        """
        converted: dict[str, Tensor] = {}
        for key, value in super().to_openmmlab(state_dict).items():
            module, _, name = key.rpartition('.')
            norm = _norm(module)
            if name == 'bias' and module != 'head.fc':
                converted[f'{norm}.bias'] = value
                continue
            converted[key] = value
            if name == 'weight' and module != 'head.fc':
                channels = value.new_ones(len(value))
                converted[f'{norm}.weight'] = channels * (1 + _EPS) ** 0.5
                converted[f'{norm}.running_mean'] = torch.zeros_like(channels)
                converted[f'{norm}.running_var'] = channels
        return converted

    def from_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Fold each batch norm into the convolution before it.

        Batch norms from :meth:`to_openmmlab` are folded exactly. For other batch norms, folding
        cannot be undone, and changes the outputs of the network by rounding.
        """
        folded: dict[str, Tensor] = {}
        for key, value in state_dict.items():
            module, _, name = key.rpartition('.')
            if name == 'weight' and value.ndim == 4:
                statistics = _statistics(state_dict, module)
                folded[key], folded[f'{module}.bias'] = _fold(value, statistics)
            elif module == 'head.fc' or name not in _STATISTICS:
                folded[key] = value
        return super().from_openmmlab(folded)

    def implies(self, state_dict: Mapping[str, Tensor]) -> Implied:
        """Return the network of the export."""
        return Implied(dict(type='WideResNet'), "as in the authors' export")

    def find_loss(self, state_dict: Mapping[str, Tensor]) -> str | None:
        """Report a loss unless every batch norm only adds a bias."""
        if all(
            _only_adds(*_statistics(state_dict, key.removesuffix('.weight')))
            for key, value in state_dict.items()
            if key.endswith('.weight') and value.ndim == 4
        ):
            return None
        return 'folded batch norms cannot be converted back; outputs differ by rounding'


def _statistics(state_dict: Mapping[str, Tensor], conv: str) -> list[Tensor]:
    return [state_dict[f'{_norm(conv)}.{name}'] for name in _STATISTICS]


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


def _norm(conv: str) -> str:
    """Return OpenMMLab's name of the batch norm after a convolution."""
    return re.sub(r'conv(\d)$', r'bn\1', conv.replace('downsample.0', 'downsample.1'))
