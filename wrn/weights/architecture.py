"""Tell from the shapes of weights which network they are of."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from mmpretrain.models.backbones.resnet import BasicBlock
from torch import Tensor

from wrn.errors import CheckpointError
from wrn.models import WideResNet

_STEM, _BASE, _STAGES = 64, 64, 4


@dataclass(frozen=True)
class Architecture:
    """A Wide-ResNet for ImageNet.

    Attributes:
        depth: Its depth.
        widen_factor: Its widen factor.
        num_classes: The number of classes of its head; None if it has none.
        in_channels: The number of channels that the head takes.
    """

    depth: int
    widen_factor: float
    num_classes: int | None
    in_channels: int

    def __str__(self) -> str:
        head = f'{self.num_classes} classes' if self.num_classes else 'no head'
        return f'depth {self.depth}, widen factor {self.widen_factor:g}, {head}'


def find_architecture(state_dict: Mapping[str, Tensor], source: str) -> Architecture:
    """Tell which network weights are of.

    Args:
        state_dict: The weights, with OpenMMLab's keys.
        source: The name of their file, for messages.

    Returns:
        The network, whose other shapes are still to be compared.

    Raises:
        CheckpointError: If they are of no Wide-ResNet for ImageNet.
    """
    stages = [
        sum(f'backbone.layer{stage}.{block}.conv1.weight' in state_dict for block in range(64))
        for stage in range(1, _STAGES + 1)
    ]
    is_basic = 'backbone.layer1.0.conv3.weight' not in state_dict
    depths = [
        depth
        for depth, (block, blocks) in WideResNet.arch_settings.items()
        if list(blocks) == stages and issubclass(block, BasicBlock) == is_basic
    ]
    if not depths:
        found = f'stages of {", ".join(map(str, stages))} blocks' if any(stages) else 'no stages'
        raise CheckpointError(
            f'{source}: the weights have {found}; a Wide-ResNet for ImageNet has those of ResNet-'
            f'{", ".join(map(str, WideResNet.arch_settings))}'
        )
    inner = state_dict.get(f'backbone.layer1.0.conv{1 if is_basic else 2}.weight')
    stem, head = (state_dict.get(f'{key}.weight') for key in ('backbone.conv1', 'head.fc'))
    if inner is None or inner.ndim != 4 or (head is not None and head.ndim != 2):
        raise CheckpointError(
            f'{source}: the first block or the head is not that of a Wide-ResNet for ImageNet'
        )
    if not is_basic and inner.shape[0] != inner.shape[1]:
        raise CheckpointError(
            f'{source}: the weights are of grouped convolutions, as of a ResNeXt; a Wide-ResNet '
            'has none'
        )
    if stem is None or stem.ndim != 4 or len(stem) != _STEM:
        raise CheckpointError(
            f'{source}: the stem is not the convolution to {_STEM} channels of a Wide-ResNet for '
            'ImageNet'
        )
    factor = Fraction(len(inner), _BASE)
    return Architecture(
        depth=depths[0],
        widen_factor=int(factor) if factor.denominator == 1 else float(factor),
        num_classes=None if head is None else len(head),
        in_channels=int(512 * factor) if is_basic else 2048,
    )
