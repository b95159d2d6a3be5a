"""Wide residual networks for ImageNet: mmpretrain's ResNet with wider residual blocks."""

from fractions import Fraction
from typing import Any, ClassVar

import torch
from mmengine.model import BaseModule, constant_init
from mmpretrain.models.backbones.resnet import BasicBlock, Bottleneck, ResLayer, ResNet
from mmpretrain.registry import MODELS
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from wrn.models.activation import build_activation
from wrn.models.initialization import initialize, loads_file
from wrn.models.memory_format import ChannelsLastMixin
from wrn.models.sizes import DepthError, read_widen_factor, widen


class _Block(BaseModule):
    """What differs from mmpretrain's blocks: any activation, and no operation in place."""

    num_convs: ClassVar[int]

    def __init__(self, *args: Any, act_cfg: dict[str, Any] | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.relu = build_activation(act_cfg)
        # One for each norm: attribution by hooks needs modules that run once.
        for i in range(1, self.num_convs):
            self.add_module(f'relu{i}', build_activation(act_cfg))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, H / stride, W / stride)``."""
        if self.with_cp and torch.is_grad_enabled():
            return checkpoint(self._forward, x, use_reentrant=False)
        return self._forward(x)

    def _forward(self, x: Tensor) -> Tensor:
        out = self.norm1(self.conv1(x))
        for i in range(2, self.num_convs + 1):
            out = getattr(self, f'relu{i - 1}')(out)
            out = getattr(self, f'norm{i}')(getattr(self, f'conv{i}')(out))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.drop_path(out) + shortcut)


class WideBasicBlock(_Block, BasicBlock):
    """Basic block of two 3x3 convolutions, with the arguments of :class:`BasicBlock`."""

    num_convs = 2


class WideBottleneck(_Block, Bottleneck):
    """Bottleneck block with an inner 3x3 convolution that is ``widen_factor`` times as wide.

    The input and output widths are those of :class:`Bottleneck`, as in WRN-50-2-bottleneck
    (https://arxiv.org/abs/1605.07146, section 3.4).

    Args:
        in_channels: Input channels of the block.
        out_channels: Output channels of the block.
        expansion: Ratio of ``out_channels`` to the inner width at ``widen_factor=1``.
        widen_factor: Ratio of the inner width to that of :class:`Bottleneck`.
        **kwargs: The other arguments of :class:`Bottleneck`.
    """

    num_convs = 3

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion: int = 4,
        widen_factor: Fraction = Fraction(1),
        **kwargs: Any,
    ) -> None:
        # Bottleneck computes the inner width as out_channels // expansion. A fraction keeps the
        # division exact for factors such as 1.5.
        super().__init__(in_channels, out_channels, expansion=expansion / widen_factor, **kwargs)


@MODELS.register_module()
class WideResNet(ChannelsLastMixin, ResNet):
    """Wide residual network for ImageNet-sized images.

    `Wide Residual Networks <https://arxiv.org/abs/1605.07146>`_, section 3.4. It has the arguments
    and the behavior of mmpretrain's :class:`~mmpretrain.models.ResNet`. With ``widen_factor=1`` it
    is that network. With ``widen_factor=2`` its state dict has the keys and shapes of OpenMMLab's
    published wide-resnet checkpoints. (OpenMMLab's configs write that network as
    ``ResNet(base_channels=128, expansion=2)``, which cannot express factors such as 1.5.)

    Args:
        depth: Depth of the network: 18 or 34 (basic blocks), 50, 101 or 152 (bottlenecks).
        widen_factor: The paper's k. It widens both convolutions of a basic block, but only the
            inner 3x3 convolution of a bottleneck, and never the stem. Every width must be a whole
            number. Defaults to 2.
        base_channels: Inner width of the first stage at ``widen_factor=1``. Defaults to 64.
        channels_last: Whether to use the channels-last memory format, in which most convolutions
            are faster. Defaults to False.
        act_cfg: Config of the activations, in the stem and in the blocks. None is no activation.
            Its ``inplace`` has no effect. Defaults to ``dict(type='ReLU')``.
        contract_dilation: Whether the first block of a dilated stage has half of the dilation, as
            in mmsegmentation's ``ResNet``. Defaults to False.
        **kwargs: The other arguments of :class:`~mmpretrain.models.ResNet`: ``in_channels``,
            ``stem_channels``, ``expansion``, ``num_stages``, ``strides``, ``dilations``,
            ``out_indices``, ``style``, ``deep_stem``, ``avg_down``, ``frozen_stages``,
            ``conv_cfg``, ``norm_cfg``, ``norm_eval``, ``with_cp``, ``zero_init_residual``,
            ``drop_path_rate``, ``init_cfg``.

    Raises:
        DepthError: If ``depth`` is not one of those above; a ValueError, and a KeyError as in
            mmpretrain.
        ValueError: If ``widen_factor`` is not positive, or gives a width that is not whole.

    Example:
        >>> import torch
        >>> from wrn import WideResNet
        >>> network = WideResNet(depth=50, widen_factor=2, out_indices=(0, 1, 2, 3))
        >>> for features in network(torch.rand(1, 3, 64, 64)):
        ...     print(tuple(features.shape))
        (1, 256, 16, 16)
        (1, 512, 8, 8)
        (1, 1024, 4, 4)
        (1, 2048, 2, 2)
    """

    zero_init_residual: bool
    arch_settings: ClassVar = {
        depth: (WideBottleneck if block is Bottleneck else WideBasicBlock, stage_blocks)
        for depth, (block, stage_blocks) in ResNet.arch_settings.items()
    }

    def __init__(
        self,
        depth: int,
        widen_factor: float = 2,
        base_channels: int = 64,
        channels_last: bool = False,
        act_cfg: dict[str, Any] | None = dict(type='ReLU'),  # noqa: B006 - OpenMMLab's convention
        contract_dilation: bool = False,
        **kwargs: Any,
    ) -> None:
        if depth not in self.arch_settings:
            known = ', '.join(map(str, self.arch_settings))
            raise DepthError(f'depth must be one of {known}, not {depth!r}')
        width = widen(base_channels, widen_factor)
        self.widen_factor = widen_factor
        self.act_cfg = act_cfg
        self.contract_dilation = contract_dilation
        self._block_kwargs: dict[str, Any] = dict(act_cfg=act_cfg)
        if issubclass(self.arch_settings[depth][0], BasicBlock):
            base_channels = width
        else:
            self._block_kwargs['widen_factor'] = read_widen_factor(widen_factor)
        super().__init__(depth, base_channels=base_channels, **kwargs)
        if self.deep_stem:
            for layer in self.stem:
                layer.activate = build_activation(act_cfg)
        else:
            self.relu = build_activation(act_cfg)
        initialize(self)
        if self.zero_init_residual:
            for block in self.modules():
                if isinstance(block, _Block):
                    constant_init(getattr(block, f'norm{block.num_convs}'), 0)
        if loads_file(self):
            # mmpretrain's init_weights would set norms to 0 after a list of init_cfg loaded them.
            self.zero_init_residual = False
        self.use_channels_last(channels_last)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the features of the stages in ``out_indices``.

        Args:
            x: Images, ``(N, in_channels, H, W)``.

        Returns:
            The output of each stage i, ``(N, C_i, H_i, W_i)``.
        """
        return super().forward(self._arrange(x))

    def make_res_layer(self, **kwargs: Any) -> nn.Sequential:
        """Build one stage. :class:`~mmpretrain.models.ResNet` calls this.

        Args:
            **kwargs: The arguments of mmpretrain's ``ResLayer``.

        Returns:
            The stage, from ``(N, in_channels, H, W)`` to
            ``(N, out_channels, H / stride, W / stride)``.
        """
        kwargs.update(self._block_kwargs)
        if not self.contract_dilation or kwargs['dilation'] == 1:
            return ResLayer(**kwargs)
        rates, channels = kwargs['drop_path_rate'], kwargs['out_channels']
        first = dict(num_blocks=1, dilation=kwargs['dilation'] // 2, drop_path_rate=rates[:1])
        rest = dict(num_blocks=len(rates) - 1, drop_path_rate=rates[1:])
        rest.update(in_channels=channels, stride=1)
        return ResLayer(**kwargs | first).extend(ResLayer(**kwargs | rest))

    def train(self, mode: bool = True) -> 'WideResNet':
        """Set training or evaluation mode; frozen stages and norms stay in evaluation mode.

        Args:
            mode: Whether to set training mode. Defaults to True.

        Returns:
            The network. mmpretrain's ResNet returns None, unlike every torch module. Once it
            returns the network, this method can go.
        """
        super().train(mode)
        return self
