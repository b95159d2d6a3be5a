"""Wide residual networks for images of 32x32 pixels: the paper's own."""

from collections.abc import Sequence
from typing import Any, Literal

from mmcv.cnn import build_conv_layer, build_norm_layer
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from wrn.models.activation import build_activation
from wrn.models.initialization import initialize
from wrn.models.memory_format import ChannelsLastMixin
from wrn.models.preact_block import PreActBlock
from wrn.models.sizes import count_blocks, widen


@MODELS.register_module()
class WideResNetCIFAR(ChannelsLastMixin, BaseBackbone):
    """Wide residual network for images of 32x32 pixels, WRN-d-k.

    `Wide Residual Networks <https://arxiv.org/abs/1605.07146>`_, section 2: a 3x3 convolution to
    16 channels; three stages of pre-activation blocks with 16k, 32k and 64k channels, where the
    second and third halve the resolution; a norm and an activation. It computes what the authors'
    code does (szagoruyko/wide-residual-networks, ``pytorch/resnet.py``).

    The depth is counted as in the paper. With n blocks in each stage, d = 6n + 4 for all blocks of
    its table 2, and d = 3nl + 4 for blocks of l convolutions that are all 3x3 (table 3). The number
    of stages does not change d: USB's "37-2", which has four stages, has d = 28.

    Args:
        depth: The paper's d, such as 16, 28 or 40.
        widen_factor: The paper's k. Every width must be a whole number.
        kernel_sizes: Kernel sizes of the convolutions in a block, as in the paper's B(M):
            ``(1, 3, 1)``, ``(3, 1)`` and so on. Defaults to ``(3, 3)``.
        drop_rate: Dropout probability between the convolutions of a block. Defaults to 0.
        in_channels: Channels of the input. Defaults to 3.
        base_channels: Channels of the first convolution, and of the first stage at
            ``widen_factor=1``. Defaults to 16.
        num_stages: Number of stages, each twice as wide as the one before. Defaults to 3.
        strides: Stride of each stage. Defaults to ``(1, 2, 2)``.
        out_indices: The indices of the stages to return features of. Defaults to the last stage.
        frozen_stages: Freeze the first convolution and this number of stages. Freezing all stages
            also freezes the last norm. Defaults to -1: nothing is frozen.
        norm_eval: Whether batch norms also use their running statistics in training. Defaults to
            False.
        with_cp: Whether to checkpoint activations: keep none inside blocks, and recompute them in
            the backward pass. This takes less memory and more time. Batch norms then count each
            batch twice in their running statistics, as in mmpretrain's ResNet. Defaults to False.
        channels_last: Whether to use the channels-last memory format, in which most convolutions
            are faster. Defaults to False. CPU inference always uses it for features.
        activate_before_residual: Whether a block that changes the shape applies the first norm and
            activation to its input; one value, or one per stage. Defaults to True. USB's and
            TorchSSL's networks do so in the first stage only. The unused norms get no gradients, so
            distributed training needs ``find_unused_parameters=True`` in the config.
        strided_conv: Which 3x3 convolution of a block has the stride, the ``'first'`` or the
            ``'last'``, as in fast-autoaugment's networks. Defaults to ``'first'``.
        activate_shortcut: Whether a convolution in a shortcut takes the activated input. It takes
            the block's input in fast-autoaugment's networks. Defaults to True.
        conv_bias: Whether the convolutions have biases; ``'stem'`` for the first one only.
            Defaults to False.
        conv_cfg: Config of the convolutions; ``dict(type='Conv2dAdaptivePadding')`` pads as
            TensorFlow does, which DeepMind's networks need. Defaults to None.
        norm_cfg: Config of the norms. Defaults to ``dict(type='BN')``.
        last_norm_cfg: Config of the norm after the last stage. Defaults to None, ``norm_cfg``.
        act_cfg: Config of the activations. None is no activation. Its ``inplace`` has no effect.
            Defaults to ``dict(type='ReLU')``.
        out_before_norm: Whether to also return the last stage's output before the last norm and
            activation. It comes before the features of the last stage. Defaults to False.
        init_cfg: Config of the initialization, which is applied when the network is built, too.
            Defaults to Kaiming's with ``mode='fan_in'``, as in the authors' code since 2016-09-08.

    Raises:
        DepthError: If ``depth`` gives a number of blocks that is not whole; a ValueError, and a
            KeyError as in mmpretrain.
        ValueError: If ``widen_factor`` gives a number of channels that is not whole, no convolution
            of a block is 3x3, or another argument is out of range.

    Example:
        >>> import torch
        >>> from wrn import WideResNetCIFAR
        >>> network = WideResNetCIFAR(depth=28, widen_factor=10, out_indices=(0, 1, 2))
        >>> for features in network(torch.rand(1, 3, 32, 32)):
        ...     print(tuple(features.shape))
        (1, 160, 32, 32)
        (1, 320, 16, 16)
        (1, 640, 8, 8)
    """

    fast_inference = True

    def __init__(
        self,
        depth: int,
        widen_factor: float,
        kernel_sizes: Sequence[int] = (3, 3),
        drop_rate: float = 0.0,
        in_channels: int = 3,
        base_channels: int = 16,
        num_stages: int = 3,
        strides: Sequence[int] = (1, 2, 2),
        out_indices: Sequence[int] | None = None,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        channels_last: bool = False,
        activate_before_residual: bool | Sequence[bool] = True,
        strided_conv: Literal['first', 'last'] = 'first',
        activate_shortcut: bool = True,
        conv_bias: bool | Literal['stem'] = False,
        conv_cfg: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] = dict(type='BN'),  # noqa: B006 - OpenMMLab's convention
        last_norm_cfg: dict[str, Any] | None = None,
        act_cfg: dict[str, Any] | None = dict(type='ReLU'),  # noqa: B006
        out_before_norm: bool = False,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        if init_cfg is None:
            init_cfg = [
                dict(type='Kaiming', layer='Conv2d', mode='fan_in', nonlinearity='relu'),
                dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
            ]
        super().__init__(init_cfg)
        if isinstance(activate_before_residual, bool):
            activate_before_residual = [activate_before_residual] * num_stages
        out_indices = (num_stages - 1,) if out_indices is None else out_indices
        _check_sequence('kernel_sizes', kernel_sizes)
        _check_sequence('out_indices', out_indices)
        _check_sequence('strides', strides, num_stages)
        _check_sequence('activate_before_residual', activate_before_residual, num_stages)
        if not out_indices or not set(out_indices) <= set(range(num_stages)):
            raise ValueError(f'out_indices must be from 0 to {num_stages - 1}, not {out_indices}')
        if not -1 <= frozen_stages <= num_stages:
            raise ValueError(f'frozen_stages must be from -1 to {num_stages}, not {frozen_stages}')
        if not isinstance(conv_bias, bool) and conv_bias != 'stem':
            raise ValueError(f"conv_bias must be True, False or 'stem', not {conv_bias!r}")
        if strided_conv not in ('first', 'last'):
            raise ValueError(f"strided_conv must be 'first' or 'last', not {strided_conv!r}")
        self.depth = depth
        self.widen_factor = widen_factor
        self.kernel_sizes = kernel_sizes
        self.num_stages = num_stages
        self.strides = strides
        self.activate_before_residual = activate_before_residual
        self.strided_conv = strided_conv
        self.activate_shortcut = activate_shortcut
        self.conv_cfg = conv_cfg
        self.norm_cfg = norm_cfg
        self.last_norm_cfg = last_norm_cfg
        self.act_cfg = act_cfg
        self.out_indices = tuple(out_indices)
        self.out_before_norm = out_before_norm
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.conv1 = build_conv_layer(
            conv_cfg, in_channels, base_channels, 3, padding=1, bias=bool(conv_bias)
        )
        blocks = count_blocks(depth, kernel_sizes)
        channels, width = base_channels, widen(base_channels, widen_factor)
        self.res_layers = []
        for i, stride in enumerate(strides):
            stage = nn.Sequential()
            for block in range(blocks):
                stage.append(
                    PreActBlock(
                        channels,
                        width,
                        kernel_sizes,
                        stride=stride if block == 0 else 1,
                        drop_rate=drop_rate,
                        strided_conv=strided_conv,
                        activate_before_residual=activate_before_residual[i],
                        activate_shortcut=activate_shortcut,
                        with_cp=with_cp,
                        conv_bias=conv_bias is True,
                        conv_cfg=conv_cfg,
                        norm_cfg=norm_cfg,
                        act_cfg=act_cfg,
                    )
                )
                channels = width
            width *= 2
            self.res_layers.append(f'layer{i + 1}')
            self.add_module(self.res_layers[-1], stage)
        self.norm = build_norm_layer(last_norm_cfg or norm_cfg, channels)[1]
        self.act = build_activation(act_cfg)
        self.feat_dim = channels
        initialize(self)
        self.use_channels_last(channels_last)
        self._freeze_stages()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the features of the stages in ``out_indices``.

        Args:
            x: Images, ``(N, in_channels, H, W)``.

        Returns:
            The output of each stage i, ``(N, C_i, H_i, W_i)``; that of the last stage after the
            last norm and activation, and with ``out_before_norm`` before them, too. Always in the
            contiguous memory format.
        """
        x = self.conv1(self._arrange(x))
        features = []
        for i, name in enumerate(self.res_layers):
            x = getattr(self, name)(x)
            if i == len(self.res_layers) - 1:
                if self.out_before_norm:
                    features.append(x.contiguous())
                x = self.act(self.norm(x))
            if i in self.out_indices:
                features.append(x.contiguous())  # callers use view()
        return tuple(features)

    def train(self, mode: bool = True) -> 'WideResNetCIFAR':
        """Set training or evaluation mode; frozen stages and norms stay in evaluation mode.

        Args:
            mode: Whether to set training mode. Defaults to True.

        Returns:
            The network.
        """
        super().train(mode)
        self._freeze_stages()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze_stages(self) -> None:
        if self.frozen_stages < 0:
            return
        frozen = [self.conv1, *(getattr(self, n) for n in self.res_layers[: self.frozen_stages])]
        if self.frozen_stages == len(self.res_layers):
            frozen.append(self.norm)
        for module in frozen:
            module.eval()
            for parameter in module.parameters():
                parameter.requires_grad = False


def _check_sequence(name: str, value: Any, num_stages: int | None = None) -> None:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError(f'{name} must be a list, not {value!r}')
    if num_stages is not None and len(value) != num_stages:
        raise ValueError(f'{name} must have {num_stages} values, one per stage, not {value}')
