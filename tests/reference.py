"""The paper's network in functional PyTorch, with configurable parameter names."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch.nn import functional


@dataclass
class Reference:
    """WRN-d-k. In names, ``{s}`` is the stage from 1, ``{g}`` the stage from 0, ``{b}`` the block."""

    stem: str = 'conv1.weight'
    norm: str = 'layer{s}.{b}.norm{i}'
    conv: str = 'layer{s}.{b}.conv{i}.weight'
    projection: str = 'layer{s}.{b}.downsample.weight'
    last_norm: str = 'norm'
    head: str = 'fc'
    first: int = 1  # number of the first norm and convolution in a block
    kernel_sizes: tuple[int, ...] = (3, 3)
    blocks: int = 2
    widths: tuple[int, ...] = (8, 16, 32)
    strides: tuple[int, ...] = (1, 2, 2)
    activate: Callable = torch.relu
    activates: tuple[bool, ...] = (True, True, True, True)
    strided: int = 0  # of the 3x3 convolutions of a block, the one with the stride
    activates_shortcut: bool = True
    groups: int = 0  # of group norms; 0 for batch norms
    eps: float = 1e-5
    last_eps: float = 1e-5
    tensorflow_padding: bool = False
    biases: tuple[str, ...] = ()  # 'stem' or 'all'
    classes: int = 7
    base: int = 4
    training: bool = False
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))

    def random_weights(self) -> dict[str, torch.Tensor]:
        """Return weights that keep activations in range. No norm has its initial values."""
        weights: dict[str, torch.Tensor] = {}

        def uniform(low, high, n):
            return torch.empty(n).uniform_(low, high, generator=self.generator)

        def conv(name, c_in, c_out, k, part):
            shape = (c_out, c_in, k, k)
            noise = torch.randn(shape, generator=self.generator)
            weights[name] = noise * (2 / (c_in * k * k)) ** 0.5
            if {part, 'all'} & set(self.biases):
                weights[name.replace('.weight', '.bias')] = uniform(-0.5, 0.5, c_out)

        def norm(name, c, trained=True):
            weights[f'{name}.weight'] = uniform(0.4, 0.9, c) if trained else torch.ones(c)
            weights[f'{name}.bias'] = uniform(-0.3, 0.3, c) if trained else torch.zeros(c)
            if self.groups:
                return
            weights[f'{name}.running_mean'] = uniform(-0.3, 0.3, c)
            weights[f'{name}.running_var'] = uniform(0.3, 1.5, c)

        conv(self.stem, 3, self.base, 3, 'stem')
        channels = self.base
        for s, width in enumerate(self.widths, 1):
            for b in range(self.blocks):
                names = dict(s=s, g=s - 1, b=b)
                if channels != width:
                    conv(self.projection.format(**names), channels, width, 1, 'block')
                trained = channels == width or self.activates[s - 1]
                for i, k in enumerate(self.kernel_sizes, self.first):
                    norm(self.norm.format(i=i, **names), channels, trained or i > self.first)
                    conv(self.conv.format(i=i, **names), channels, width, k, 'block')
                    channels = width
        norm(self.last_norm, channels)
        weights[f'{self.head}.weight'] = torch.randn(
            self.classes, channels, generator=self.generator
        )
        weights[f'{self.head}.bias'] = torch.randn(self.classes, generator=self.generator)
        return weights

    def features(self, x: torch.Tensor, weights: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """Return the features of each stage: x_{l+1} = shortcut(x_l) + F(x_l)."""

        def conv(x, name, stride=1):
            kernel, bias = weights[name], weights.get(name.replace('.weight', '.bias'))
            bias = None if bias is kernel else bias
            padding = kernel.shape[-1] // 2
            if padding and stride == 2 and self.tensorflow_padding:
                x, padding = functional.pad(x, (0, 1, 0, 1)), 0
            return functional.conv2d(x, kernel, bias, stride, padding)

        def norm(x, name, eps=self.eps):
            if self.groups:
                affine = [weights[f'{name}.{key}'] for key in ('weight', 'bias')]
                return functional.group_norm(x, self.groups, *affine, eps)
            values = [weights[f'{name}.{key}'] for key in ('running_mean', 'running_var')]
            if self.training:
                values = [value.clone() for value in values]
            values += [weights[f'{name}.{key}'] for key in ('weight', 'bias')]
            return functional.batch_norm(x, *values, training=self.training, eps=eps)

        x = conv(x, self.stem)
        features = []
        for s, stage_stride in enumerate(self.strides, 1):
            for b in range(self.blocks):
                names = dict(s=s, g=s - 1, b=b)
                stride = stage_stride if b == 0 else 1
                projects = self.projection.format(**names) in weights
                out = x
                if self.activates[s - 1] or not projects:
                    out = self.activate(norm(x, self.norm.format(i=self.first, **names)))
                if projects:
                    x = conv(
                        out if self.activates_shortcut else x,
                        self.projection.format(**names),
                        stride,
                    )
                threes = [i for i, k in enumerate(self.kernel_sizes) if k == 3]
                for i in range(len(self.kernel_sizes)):
                    if i:
                        name = self.norm.format(i=self.first + i, **names)
                        out = self.activate(norm(out, name))
                    name = self.conv.format(i=self.first + i, **names)
                    out = conv(out, name, stride if i == threes[self.strided] else 1)
                x = x + out
            features.append(x)
        features[-1] = self.activate(norm(x, self.last_norm, self.last_eps))
        return features

    def logits(self, x: torch.Tensor, weights: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the class scores."""
        pooled = self.features(x, weights)[-1].mean((2, 3))
        return functional.linear(
            pooled, weights[f'{self.head}.weight'], weights[f'{self.head}.bias']
        )
