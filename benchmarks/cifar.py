"""WRN-28-10 and plain torch code of the same network: a training step and inference.

Both run on the same weights and images, alternating in one process for the time, and each in its
own process for the memory. Prints medians of the times and of the ratios of the pairs::

    python benchmarks/cifar.py --runs 5

``share`` is the network's multiply-adds per second, relative to the best rate of this machine in a
3x3 convolution of one of its sizes; a training step counts three times the forward pass. ``memory``
is the peak memory minus the memory before the step, from ``/proc`` (Linux only).
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional

CONFIG = 'configs/wrn/wide-resnet28-10_8xb16_cifar10.py'
MULTIPLY_ADDS = 5.248e9  # per image of 32x32 pixels, from `wrn info`
WIDTHS = ((160, 32), (320, 16), (640, 8))  # channels and side length of each stage
VARIANTS = ('ours', 'plain torch', 'ours, checkpointing')


class Block(nn.Module):
    """A pre-activation block in plain torch."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Conv2d(c_in, c_out, 1, stride, bias=False) if c_in != c_out else None

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(x))
        shortcut = x if self.shortcut is None else self.shortcut(out)
        return self.conv2(self.relu(self.bn2(self.conv1(out)))) + shortcut


def plain_network(blocks: int = 4, widths: Iterable[tuple[int, int]] = WIDTHS) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False)]
    channels = 16
    for stage, (width, _) in enumerate(widths):
        for block in range(blocks):
            layers.append(Block(channels, width, 2 if stage and not block else 1))
            channels = width
    layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels, 10))


def our_network(**kwargs: bool) -> nn.Module:
    import wrn

    return wrn.get_model(CONFIG, backbone=kwargs)


def make_steps(variant: str, batch: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return a training step and an inference step."""
    torch.manual_seed(0)
    x, labels = torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
    if variant == 'plain torch':
        network = plain_network()
    else:
        network = our_network(with_cp='checkpointing' in variant)
    optimizer = torch.optim.SGD(network.parameters(), 0.1, 0.9, weight_decay=5e-4, nesterov=True)

    def train() -> None:
        network.train()
        optimizer.zero_grad()
        functional.cross_entropy(network(x), labels).backward()
        optimizer.step()

    @torch.no_grad()
    def infer() -> None:
        network.eval()
        network(x)

    return train, infer


def check_same(batch: int = 2) -> None:
    """Check that both compute the same, so that their times are comparable."""
    ours, plain = our_network().eval(), plain_network().eval()
    # Both have their layers in the same order.
    weights = zip(plain.state_dict(), ours.state_dict().values(), strict=True)
    plain.load_state_dict(dict(weights))
    x = torch.randn(batch, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), plain(x), rtol=1e-4, atol=1e-4)


def convolution_rate(
    batch: int,
    sizes: Iterable[tuple[int, int]],
    memory_formats: Iterable[torch.memory_format] = (torch.contiguous_format,),
    kernels: Iterable[int] = (3,),
) -> float:
    """Measure the best rate of a convolution.

    Args:
        batch: The number of images.
        sizes: The channels and side lengths to try.
        memory_formats: The memory formats to try. Defaults to contiguous.
        kernels: The kernel sizes to try. Defaults to 3.

    Returns:
        Multiply-adds per second.
    """
    best = 0.0
    for (channels, side), order, kernel in itertools.product(sizes, memory_formats, kernels):
        conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False)
        conv.to(memory_format=order)
        x = torch.randn(batch, channels, side, side).contiguous(memory_format=order)
        multiply_adds = batch * side**2 * channels**2 * kernel**2
        with torch.no_grad():
            best = max(best, *(multiply_adds / timed(partial(conv, x)) for _ in range(5)))
    return best


def timed(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def memory(key: str) -> int:
    """Read the memory of this process in bytes, such as its peak (``VmHWM``)."""
    with open('/proc/self/status') as status:
        (line,) = (line for line in status if line.startswith(f'{key}:'))
    return int(line.split()[1]) * 1024


def measure_memory(variant: str, kind: int, batch: int) -> float:
    """Return the peak memory of two steps in a new process, in bytes."""
    command = [sys.executable, __file__, '--child', variant, str(kind), str(batch)]
    # Make glibc return freed memory at once, which would count as used otherwise.
    env = {**os.environ, 'MALLOC_MMAP_THRESHOLD_': '65536', 'MALLOC_TRIM_THRESHOLD_': '0'}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout
    return json.loads(output.splitlines()[-1])


def child(variant: str, kind: str, batch: str) -> None:
    step = make_steps(variant, int(batch))[int(kind)]
    before = memory('VmRSS')
    step()
    step()
    print(json.dumps(memory('VmHWM') - before))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--child', nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(*args.child)
        return
    check_same()
    batch, console = args.batch_size, Console(stderr=True)
    all_steps = {variant: make_steps(variant, batch) for variant in VARIANTS}
    for pair in all_steps.values():  # warm up
        for step in pair:
            step()
    times: dict[tuple[str, int], list[float]] = {(v, k): [] for k in (0, 1) for v in VARIANTS}
    rates = []
    for run in track(range(args.runs), 'Measuring time', console=console, transient=True):
        rates.append(convolution_rate(batch, WIDTHS))
        for variant, kind in list(times)[:: 1 if run % 2 else -1]:  # alternate the direction
            times[variant, kind].append(timed(all_steps[variant][kind]))
    del all_steps
    peaks = {
        key: measure_memory(*key, batch)
        for key in track(list(times), 'Measuring memory', console=console, transient=True)
    }
    rate = max(rates)
    table = Table(title=f'WRN-28-10, batches of {batch}, medians of {args.runs}', box=None)
    for column in ('', '', 'time', 'ratio', 'share', 'memory', 'ratio'):
        table.add_column(column, justify='left' if column == '' else 'right', no_wrap=True)
    for kind, (title, passes) in enumerate((('training step', 3), ('inference', 1))):
        for variant in VARIANTS:
            plain = times['plain torch', kind]
            ratios = [a / b for a, b in zip(times[variant, kind], plain, strict=True)]
            seconds = statistics.median(times[variant, kind])
            table.add_row(
                title,
                variant,
                f'{seconds:.2f} s',
                f'{statistics.median(ratios):.3f}',
                f'{passes * MULTIPLY_ADDS * batch / seconds / rate:.2f}',
                f'{peaks[variant, kind] / 2**20:.0f} MiB',
                f'{peaks[variant, kind] / peaks["plain torch", kind]:.3f}',
            )
    Console(width=110).print(table)
    print(f'best 3x3 convolution: {2 * rate / 1e9:.0f} GFLOP/s')


if __name__ == '__main__':
    main()
