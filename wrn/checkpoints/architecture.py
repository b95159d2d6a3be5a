"""Detect the network that weights belong to, from their shapes."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from mmpretrain.models.backbones.resnet import BasicBlock
from torch import Tensor

from wrn.models import WideResNet
from wrn.models.sizes import count_depth
from wrn_base.errors import CheckpointError, count

_STEM, _BASE, _STAGES = 64, 64, 4


@dataclass(frozen=True)
class Architecture:
    """A Wide-ResNet.

    Attributes:
        backbone: The config of its backbone, as far as shapes determine it: ``type``, ``depth``,
            ``widen_factor`` and so on.
        num_classes: The number of classes; None without a head.
        in_channels: The number of input channels of the head.
    """

    backbone: dict[str, Any]
    num_classes: int | None
    in_channels: int

    def __str__(self) -> str:
        head = count(self.num_classes, 'class') if self.num_classes else 'no head'
        depth, factor = self.backbone['depth'], self.backbone['widen_factor']
        return f'depth {depth}, widen factor {factor:g}, {head}'


def find_architecture(state_dict: Mapping[str, Tensor], name: str) -> Architecture:
    """Detect the network that weights belong to.

    Some shapes suffice. :func:`wrn.checkpoints.check_state_dict` compares all of them.

    Args:
        state_dict: The weights, with OpenMMLab's keys.
        name: The path or name of their file, for messages.

    Raises:
        CheckpointError: If the network is not a Wide-ResNet.
    """
    head = state_dict.get('head.fc.weight')
    if head is not None and head.ndim != 2:
        raise _refused(name, f'head.fc.weight has {count(head.ndim, "dimension")}, not 2')
    find = _find_cifar if any('.norm' in key for key in state_dict) else _find_imagenet
    backbone, in_channels = find(state_dict, name)
    return Architecture(backbone, None if head is None else len(head), in_channels)


def find_conv_bias(state_dict: Mapping[str, Tensor]) -> bool | str:
    """Return the ``conv_bias`` of :class:`wrn.models.WideResNetCIFAR`.

    Args:
        state_dict: The weights, with OpenMMLab's keys.
    """
    if 'backbone.layer1.0.conv1.bias' in state_dict:
        return True
    return 'stem' if 'backbone.conv1.bias' in state_dict else False


def _refused(name: str, reason: str) -> CheckpointError:
    return CheckpointError(f'{name}: {reason}; give the weights of a Wide-ResNet')


def _find_imagenet(state_dict: Mapping[str, Tensor], name: str) -> tuple[dict[str, Any], int]:
    stages = _count_blocks(state_dict, _STAGES)
    is_basic = 'backbone.layer1.0.conv3.weight' not in state_dict
    depths = [
        depth
        for depth, (block, blocks) in WideResNet.arch_settings.items()
        if list(blocks) == stages and issubclass(block, BasicBlock) == is_basic
    ]
    inner = state_dict.get(f'backbone.layer1.0.conv{1 if is_basic else 2}.weight')
    stem = state_dict.get('backbone.conv1.weight')
    if not depths:
        found = f'stages of {", ".join(map(str, stages))} blocks' if any(stages) else 'no stages'
        reason = (
            f'the weights have {found}; a Wide-ResNet for ImageNet has the stages of ResNet-'
            f'{", ".join(map(str, WideResNet.arch_settings))}'
        )
    elif inner is None or inner.ndim != 4:
        reason = 'the first block is not that of a Wide-ResNet for ImageNet'
    elif not is_basic and inner.shape[0] != inner.shape[1]:
        reason = 'the weights have grouped convolutions, as in a ResNeXt; a Wide-ResNet has none'
    elif stem is None or stem.ndim != 4 or len(stem) != _STEM:
        reason = f'the stem is not a convolution to {_STEM} channels, as in a Wide-ResNet'
    else:
        factor = Fraction(len(inner), _BASE)
        backbone = dict(type='WideResNet', depth=depths[0], widen_factor=_to_number(factor))
        return backbone, int(512 * factor) if is_basic else 2048
    raise _refused(name, reason)


def _find_cifar(state_dict: Mapping[str, Tensor], name: str) -> tuple[dict[str, Any], int]:
    stages = _count_blocks(state_dict, 9)
    stages = stages[: stages.index(0)] if 0 in stages else stages
    stem = state_dict.get('backbone.conv1.weight')
    first = [state_dict.get(f'backbone.layer1.0.conv{i}.weight') for i in range(1, 10)]
    convs = [conv for conv in first if conv is not None]
    if stem is None or any(conv.ndim != 4 or not conv.numel() for conv in (stem, *convs)):
        raise _refused(
            name, 'the first convolutions are not those of a Wide-ResNet for 32x32 pixels'
        )
    if len(set(stages)) != 1 or not convs:
        raise _refused(
            name,
            f'the weights have stages of {", ".join(map(str, stages)) or "no"} blocks; the stages '
            'of a Wide-ResNet for 32x32 pixels have equal numbers of blocks',
        )
    kernel_sizes = [conv.shape[-1] for conv in convs]
    if not set(kernel_sizes) <= {1, 3}:
        size = max(kernel_sizes)
        raise _refused(
            name,
            f'the weights have {size}x{size} kernels; a Wide-ResNet for 32x32 pixels has only 1x1 '
            'and 3x3',
        )
    factor = Fraction(len(convs[0]), len(stem))
    backbone = dict(
        type='WideResNetCIFAR',
        depth=count_depth(stages[0], kernel_sizes),
        widen_factor=_to_number(factor),
    )
    others: dict[str, Any] = dict(
        kernel_sizes=(kernel_sizes, [3, 3]),
        in_channels=(stem.shape[1], 3),
        base_channels=(len(stem), 16),
        num_stages=(len(stages), 3),
        strides=([1] + [2] * (len(stages) - 1), [1, 2, 2]),
        conv_bias=(find_conv_bias(state_dict), False),
    )
    backbone |= {option: value for option, (value, default) in others.items() if value != default}
    return backbone, int(len(stem) * factor * 2 ** (len(stages) - 1))


def _count_blocks(state_dict: Mapping[str, Tensor], stages: int) -> list[int]:
    """Return the number of blocks in each stage."""
    return [
        sum(f'backbone.layer{stage}.{block}.conv1.weight' in state_dict for block in range(128))
        for stage in range(1, stages + 1)
    ]


def _to_number(factor: Fraction) -> float:
    return int(factor) if factor.denominator == 1 else float(factor)
