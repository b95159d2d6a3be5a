"""The residual block of the networks for 32x32 pixels."""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import build_conv_layer, build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from wrn.models.activation import build_activation


class PreActBlock(BaseModule):
    """Pre-activation residual block, the paper's B(M).

    For ``B(3,3)`` it computes ``shortcut(x) + conv2(dropout(act(norm2(conv1(act(norm1(x)))))))``.
    If the block changes the shape, the shortcut is a 1x1 convolution of ``act(norm1(x))``, as in
    the authors' code.

    Args:
        in_channels: Input channels.
        out_channels: Output channels of each convolution.
        kernel_sizes: Kernel size of each convolution.
        stride: Stride of one 3x3 convolution and of the shortcut. A strided 1x1 convolution
            before it would ignore most pixels.
        strided_conv: Which 3x3 convolution has the stride, the ``'first'`` or the ``'last'``.
        drop_rate: Dropout probability before each convolution except the first.
        activate_before_residual: Whether a block that changes the shape has the first norm and
            activation.
        activate_shortcut: Whether a convolution in the shortcut takes the activated input.
        with_cp: Whether to checkpoint activations: keep none inside the block, and recompute them
            in the backward pass.
        conv_bias: Whether the convolutions have biases.
        conv_cfg: Config of the convolutions.
        norm_cfg: Config of the norms.
        act_cfg: Config of the activations.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_sizes: Sequence[int],
        stride: int,
        drop_rate: float,
        strided_conv: str,
        activate_before_residual: bool,
        activate_shortcut: bool,
        with_cp: bool,
        conv_bias: bool,
        conv_cfg: dict[str, Any] | None,
        norm_cfg: dict[str, Any],
        act_cfg: dict[str, Any] | None,
    ) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.num_convs = len(kernel_sizes)
        channels = in_channels
        threes = [i for i, kernel_size in enumerate(kernel_sizes) if kernel_size == 3]
        strided = threes[0 if strided_conv == 'first' else -1]
        for i, kernel_size in enumerate(kernel_sizes):
            conv = build_conv_layer(
                conv_cfg,
                channels,
                out_channels,
                kernel_size,
                stride=stride if i == strided else 1,
                padding=kernel_size // 2,
                bias=conv_bias,
            )
            self.add_module(f'norm{i + 1}', build_norm_layer(norm_cfg, channels)[1])
            # One for each norm: attribution by hooks needs modules that run once.
            self.add_module(f'act{i + 1}', build_activation(act_cfg))
            self.add_module(f'conv{i + 1}', conv)
            channels = out_channels
        self.dropout = nn.Dropout(drop_rate)
        self.downsample: nn.Module | None = None
        if in_channels != out_channels or stride != 1:
            self.downsample = build_conv_layer(
                conv_cfg, in_channels, out_channels, 1, stride=stride, bias=conv_bias
            )
        self.activates_first = activate_before_residual or self.downsample is None
        self.activates_shortcut = activate_shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, H / stride, W / stride)``."""
        if self.with_cp and torch.is_grad_enabled():
            return checkpoint(self._forward, x, use_reentrant=False)
        return self._forward(x)

    def _forward(self, x: Tensor) -> Tensor:
        out = self.act1(self.norm1(x)) if self.activates_first else x
        shortcut = x
        if self.downsample is not None:
            shortcut = self.downsample(out if self.activates_shortcut else x)
        out = self.conv1(out)
        for i in range(2, self.num_convs + 1):
            out = getattr(self, f'act{i}')(getattr(self, f'norm{i}')(out))
            out = getattr(self, f'conv{i}')(self.dropout(out))
        return out + shortcut
