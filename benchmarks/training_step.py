"""A training step from uint8 images to updated weights: ours with each setting, and baselines.

All alternate in one process on the same weights and images, after a check that their losses agree.
Prints the fastest time of each, since other load on a machine can only slow a step down::

    python benchmarks/training_step.py
    python benchmarks/training_step.py --model wide-resnet28-10 --batch-size 32

``to best`` is the ratio to the fastest baseline of the same kind (float32, compiled, or bfloat16),
``to none`` to ours without any setting. ``share`` is the network's multiply-adds per second, three
times those of the forward pass, relative to the machine's best rate in a 3x3 convolution of one of
the network's sizes, in either memory format. Our default is ``channels last, fused``.
"""

import argparse
import contextlib
import math
from collections.abc import Callable
from typing import Any

import torch
import torchvision
from cifar import convolution_rate, plain_network, timed
from mmengine.optim import OptimWrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional

import wrn
from wrn.checkpoints import to_openmmlab
from wrn.config.config_file import read_config

Step = Callable[[], float]
Key = tuple[str, tuple[str, ...]]  # candidate and settings
# Config, image size, multiply-adds per image, and channels and side length of 3x3 convolutions.
MODELS_BY_NAME = {
    'wide-resnet50': (
        'configs/wrn/wide-resnet50_8xb32_in1k.py',
        224,
        11.42e9,
        ((128, 56), (256, 28), (512, 14), (1024, 7)),
    ),
    'wide-resnet28-10': (
        'configs/wrn/wide-resnet28-10_8xb16_cifar10.py',
        32,
        5.248e9,
        ((160, 32), (320, 16), (640, 8)),
    ),
}
OPTIMIZER: dict[str, Any] = dict(lr=1e-3, momentum=0.9, weight_decay=1e-4)
MEMORY_FORMATS = (torch.contiguous_format, torch.channels_last)
CHANNELS_LAST, FUSED, COMPILED, BFLOAT16 = 'channels last', 'fused', 'compiled', 'bfloat16'
KINDS = {'float32': (), 'float32, compiled': (COMPILED,), 'bfloat16': (BFLOAT16,)}
SETTINGS: tuple[Key, ...] = (
    ('ours', ()),
    ('ours', (CHANNELS_LAST,)),
    ('ours', (FUSED,)),
    ('ours', (CHANNELS_LAST, FUSED)),
    ('mmpretrain', ()),
    ('plain', ()),
    ('plain', (CHANNELS_LAST, FUSED)),
    ('ours', (CHANNELS_LAST, FUSED, COMPILED)),
    ('plain', (COMPILED,)),
    ('plain', (CHANNELS_LAST, FUSED, COMPILED)),
    ('ours', (BFLOAT16,)),
    ('ours', (CHANNELS_LAST, FUSED, BFLOAT16)),
    ('plain', (CHANNELS_LAST, FUSED, BFLOAT16)),
)


class Contest:
    """What ours and the baselines share: weights, images and labels."""

    def __init__(self, model: str, batch: int) -> None:
        config, pixels, self.multiply_adds, self.sizes = MODELS_BY_NAME[model]
        self.cfg = read_config(config)
        self.imagenet = model == 'wide-resnet50'
        torch.manual_seed(0)
        self.weights = self.plain().state_dict()
        self.batch = torch.randint(0, 256, (batch, 3, pixels, pixels), dtype=torch.uint8)
        classes = self.cfg.model.head.num_classes
        self.labels = torch.randint(0, classes, (batch,))
        preprocessor = self.cfg.data_preprocessor
        self.mean = torch.tensor(preprocessor.mean).view(-1, 1, 1)
        self.std = torch.tensor(preprocessor.std).view(-1, 1, 1)
        self.to_rgb = preprocessor.get('to_rgb', False)

    def plain(self) -> nn.Module:
        """Build the baseline network."""
        if self.imagenet:  # like mmpretrain's configs; otherwise rounding adds up
            return torchvision.models.wide_resnet50_2(zero_init_residual=True)
        return plain_network()

    def step(self, name: str, settings: tuple[str, ...]) -> Step:
        """Return a function that runs a training step and returns the loss."""
        if name in ('ours', 'mmpretrain'):
            return self.openmmlab_step(name, settings)
        network = self.plain()
        network.load_state_dict(self.weights)
        if CHANNELS_LAST in settings:
            network.to(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(network.parameters(), **OPTIMIZER, fused=FUSED in settings)
        if COMPILED in settings:
            network.compile()
        network.train()

        def forward() -> Tensor:
            inputs = self.batch.flip(1) if self.to_rgb else self.batch
            inputs = (inputs.float() - self.mean) / self.std
            if CHANNELS_LAST in settings:
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            return functional.cross_entropy(network(inputs), self.labels)

        def step() -> float:
            with torch.autocast('cpu') if BFLOAT16 in settings else contextlib.nullcontext():
                loss = forward()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss.item()

        return step

    def openmmlab_step(self, name: str, settings: tuple[str, ...]) -> Step:
        cfg = self.cfg.model.to_dict()
        cfg['data_preprocessor'] = self.cfg.data_preprocessor.to_dict()
        if name == 'mmpretrain':
            cfg['backbone'] |= dict(type='ResNet', base_channels=128, expansion=2)
            cfg['backbone'].pop('widen_factor', None)
        else:
            cfg['backbone']['channels_last'] = CHANNELS_LAST in settings
        network: Any = MODELS.build(cfg)
        network.load_state_dict(self.our_weights(network))
        kind = wrn.BFloat16OptimWrapper if BFLOAT16 in settings else OptimWrapper
        wrapper = kind(torch.optim.SGD(network.parameters(), **OPTIMIZER, fused=FUSED in settings))
        if COMPILED in settings:
            wrn.CompileHook().before_run(argparse.Namespace(model=network))
        network.train()

        def step() -> float:
            samples = [DataSample().set_gt_label(label) for label in self.labels]
            data = dict(inputs=self.batch, data_samples=samples)
            return network.train_step(data, wrapper)['loss'].item()

        return step

    def our_weights(self, network: nn.Module) -> dict[str, Tensor]:
        if self.imagenet:
            return to_openmmlab(self.weights, 'torchvision').state_dict
        # Both have their layers in the same order.
        return dict(zip(network.state_dict(), self.weights.values(), strict=True))


def check_losses(losses: dict[Key, list[float]]) -> None:
    """Check that all compute the same, so that their times are comparable."""
    expected = losses['plain', ()]
    for key, values in losses.items():
        tolerance = 1e-2 if BFLOAT16 in key[1] else 1e-3
        for value, other in zip(values, expected, strict=True):
            assert math.isclose(value, other, rel_tol=tolerance), (key, values, expected)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', choices=MODELS_BY_NAME, default='wide-resnet50')
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--no-compile', action='store_true', help='leave out compiled networks')
    args = parser.parse_args()
    contest, console = Contest(args.model, args.batch_size), Console(stderr=True)
    keys = [
        key
        for key in SETTINGS
        if (contest.imagenet or key[0] != 'mmpretrain')
        and not (args.no_compile and COMPILED in key[1])
    ]
    steps: dict[Key, Step] = {}
    losses: dict[Key, list[float]] = {}
    for key in track(keys, 'Two steps of each', console=console, transient=True):
        steps[key] = contest.step(*key)
        losses[key] = [steps[key](), steps[key]()]
    check_losses(losses)
    times = {key: float('inf') for key in keys}
    rate = 0.0
    for run in track(range(args.rounds), 'Measuring', console=console, transient=True):
        rate = max(rate, convolution_rate(args.batch_size, contest.sizes, MEMORY_FORMATS))
        for key in keys[:: 1 if run % 2 else -1]:  # alternate the direction
            times[key] = min(times[key], timed(steps[key]))
    print_table(args, contest, times, rate)


def print_table(
    args: argparse.Namespace,
    contest: Contest,
    times: dict[Key, float],
    rate: float,
) -> None:
    table = Table(
        title=f'{args.model}, batches of {args.batch_size}, fastest of {args.rounds}', box=None
    )
    for column in ('', '', 'time', 'to best', 'to none', 'share'):
        table.add_column(column, justify='left' if column == '' else 'right', no_wrap=True)
    for title, marks in KINDS.items():
        kind = [k for k in times if tuple(s for s in k[1] if s in (COMPILED, BFLOAT16)) == marks]
        best = min((times[k] for k in kind if k[0] != 'ours'), default=float('nan'))
        for name, settings in kind:
            seconds = times[name, settings]
            label = ', '.join((name, *(s for s in settings if s not in marks)))
            table.add_row(
                title,
                label.replace('plain', 'torchvision' if contest.imagenet else 'plain torch'),
                f'{seconds:.3f} s',
                f'{seconds / best:.3f}',
                f'{seconds / times["ours", ()]:.3f}',
                f'{3 * contest.multiply_adds * args.batch_size / seconds / rate:.2f}',
            )
    Console(width=110).print(table)
    print(f'best 3x3 convolution: {2 * rate / 1e9:.0f} GFLOP/s')


if __name__ == '__main__':
    main()
