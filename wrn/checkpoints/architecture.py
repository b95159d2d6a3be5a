"""Tell from the shapes of weights which network they are of."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from mmpretrain.models.backbones.resnet import BasicBlock
from torch import Tensor

from wrn.models import WideResNet
from wrn.models.sizes import count_depth
from wrn.utils.errors import CheckpointError

_STEM, _BASE, _STAGES = 64, 64, 4


@dataclass(frozen=True)
class Architecture:
    """A Wide-ResNet.

    Attributes:
        backbone: The config of its backbone, as far as shapes tell: ``type``, ``depth``,
            ``widen_factor`` and so on.
        num_classes: The number of classes of its head; None if it has none.
        in_channels: The number of channels that the head takes.
    """

    backbone: dict[str, Any]
    num_classes: int | None
    in_channels: int

    def __str__(self) -> str:
        head = f'{self.num_classes} classes' if self.num_classes else 'no head'
        depth, factor = self.backbone['depth'], self.backbone['widen_factor']
        return f'depth {depth}, widen factor {factor:g}, {head}'


def find_architecture(state_dict: Mapping[str, Tensor], source: str) -> Architecture:
    """Tell which network weights are of.

    Args:
        state_dict: The weights, with OpenMMLab's keys.
        source: The name of their file, for messages.

    Returns:
        The network, whose other shapes are still to be compared.

    Raises:
        CheckpointError: If they are of no Wide-ResNet.
    """
    head = state_dict.get('head.fc.weight')
    if head is not None and head.ndim != 2:
        raise CheckpointError(f'{source}: the head is not that of a Wide-ResNet')
    num_classes = None if head is None else len(head)
    is_cifar = any('.norm' in key for key in state_dict)
    find = _find_cifar if is_cifar else _find_imagenet
    backbone, in_channels = find(state_dict, source)
    return Architecture(backbone, num_classes, in_channels)


def _find_imagenet(state_dict: Mapping[str, Tensor], source: str) -> tuple[dict[str, Any], int]:
    stages = _count_blocks(state_dict, _STAGES)
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
    stem = state_dict.get('backbone.conv1.weight')
    if inner is None or inner.ndim != 4:
        raise CheckpointError(
            f'{source}: the first block is not that of a Wide-ResNet for ImageNet'
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
    backbone = dict(type='WideResNet', depth=depths[0], widen_factor=_number(factor))
    return backbone, int(512 * factor) if is_basic else 2048


def _find_cifar(state_dict: Mapping[str, Tensor], source: str) -> tuple[dict[str, Any], int]:
    stages = _count_blocks(state_dict, 9)
    stages = stages[: stages.index(0)] if 0 in stages else stages
    stem = state_dict.get('backbone.conv1.weight')
    first = [state_dict.get(f'backbone.layer1.0.conv{i}.weight') for i in range(1, 10)]
    convs = [conv for conv in first if conv is not None]
    if stem is None or any(conv.ndim != 4 or not conv.numel() for conv in (stem, *convs)):
        raise CheckpointError(
            f'{source}: the first convolutions are not those of a Wide-ResNet for 32x32 pixels'
        )
    if len(set(stages)) != 1 or not convs:
        raise CheckpointError(
            f'{source}: the weights have stages of {", ".join(map(str, stages)) or "no"} blocks; a '
            'Wide-ResNet for 32x32 pixels has as many in each'
        )
    kernel_sizes = [conv.shape[-1] for conv in convs]
    if not set(kernel_sizes) <= {1, 3}:
        raise CheckpointError(
            f'{source}: the weights have kernels of {max(kernel_sizes)}x{max(kernel_sizes)}; those '
            'of a Wide-ResNet for 32x32 pixels are 1x1 and 3x3'
        )
    factor = Fraction(len(convs[0]), len(stem))
    backbone = dict(
        type='WideResNetCIFAR',
        depth=count_depth(stages[0], kernel_sizes),
        widen_factor=_number(factor),
    )
    others: dict[str, Any] = dict(
        kernel_sizes=(kernel_sizes, [3, 3]),
        in_channels=(stem.shape[1], 3),
        base_channels=(len(stem), 16),
        num_stages=(len(stages), 3),
        strides=([1] + [2] * (len(stages) - 1), [1, 2, 2]),
        conv_bias=(_find_bias(state_dict), False),
    )
    backbone |= {name: value for name, (value, default) in others.items() if value != default}
    return backbone, int(len(stem) * factor * 2 ** (len(stages) - 1))


def _find_bias(state_dict: Mapping[str, Tensor]) -> bool | str:
    if 'backbone.layer1.0.conv1.bias' in state_dict:
        return True
    return 'stem' if 'backbone.conv1.bias' in state_dict else False


def _count_blocks(state_dict: Mapping[str, Tensor], stages: int) -> list[int]:
    """Count the blocks of each stage."""
    return [
        sum(f'backbone.layer{stage}.{block}.conv1.weight' in state_dict for block in range(128))
        for stage in range(1, stages + 1)
    ]


def _number(factor: Fraction) -> float:
    return int(factor) if factor.denominator == 1 else float(factor)
