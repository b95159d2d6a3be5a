"""Throughput of input pipelines on one core, from JPEG files to augmented batches.

The images are crops of scikit-learn's two photographs, JPEGs of 500x375 pixels with quality 90 and
4:2:0, and mosaics of these. The pipelines alternate in one process on one core (Linux only)::

    python benchmarks/pipeline.py --rounds 9

``ratio`` is to mmpretrain's pipeline with Pillow's resize, which its ImageNet configs of
Wide-ResNets use, and ``to decoding`` to OpenCV's decoding alone; both are medians over the rounds.
A batch is then compared with that of mmpretrain's pipeline at the same random state: ``mean`` and
``max`` are differences of pixels, of 255 levels. ``outputs`` is the difference of the outputs of
torchvision's wide_resnet50_2 with random weights, relative to the spread between images.
"""

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ['OMP_NUM_THREADS'] = '1'

import cv2
import numpy as np
import torch
import torchvision
from images import HEIGHT, WIDTH, write_images
from mmengine.dataset import Compose, default_collate
from mmengine.registry import DefaultScope
from mmpretrain.registry import TRANSFORMS
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torchvision.transforms import v2

import wrn  # noqa: F401 - registers the transform

Load = Callable[[Path], Any]


def openmmlab(*steps: dict[str, Any]) -> Load:
    flip = dict(type='RandomFlip', prob=0.5, direction='horizontal')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        transform = Compose([TRANSFORMS.build(s) for s in (*steps, flip, dict(type='PackInputs'))])
    return lambda path: transform(dict(img_path=str(path), gt_label=0))


def mmpretrain(backend: str) -> Load:
    crop = dict(type='RandomResizedCrop', scale=224, backend=backend)
    return openmmlab(dict(type='LoadImageFromFile'), crop)


def ours(reducing_gap: float | None = None) -> Load:
    return openmmlab(dict(type='LoadRandomResizedCrop', scale=224, reducing_gap=reducing_gap))


def torchvision_v2(tensors: bool) -> Load:
    steps = [v2.RandomResizedCrop(224), v2.RandomHorizontalFlip(), v2.ToImage()]
    transform = v2.Compose(steps)

    def load(path: Path) -> Any:
        if tensors:
            return transform(torchvision.io.decode_jpeg(torchvision.io.read_file(str(path))))
        with Image.open(path) as image:
            return transform(image.convert('RGB'))

    return load


def decode(flag: int) -> Load:
    def load(path: Path) -> None:
        cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), flag)

    return load


PIPELINES: dict[str, Load] = {
    'mmpretrain, Pillow': mmpretrain('pillow'),
    'mmpretrain, OpenCV': mmpretrain('cv2'),
    'torchvision v2, from PIL': torchvision_v2(tensors=False),
    'torchvision v2, on tensors': torchvision_v2(tensors=True),
    'decoding alone, OpenCV': decode(cv2.IMREAD_COLOR),
    'decoding alone, at 1/2': decode(cv2.IMREAD_REDUCED_COLOR_2),
    'decoding alone, at 1/8': decode(cv2.IMREAD_REDUCED_COLOR_8),
    'ours': ours(),
    'ours, reducing_gap=2': ours(2),
    'ours, reducing_gap=1': ours(1),
}
REFERENCE, DECODING = 'mmpretrain, Pillow', 'decoding alone, OpenCV'
COMPARED = ('ours', 'ours, reducing_gap=2', 'ours, reducing_gap=1', 'mmpretrain, OpenCV')


def run(load: Load, paths: list[Path]) -> Any:
    """Load a batch."""
    samples = [load(path) for path in paths]
    return None if samples[0] is None else default_collate(samples)


def measure(paths: list[Path], rounds: int, batch: int, title: str) -> dict[str, list[float]]:
    """Time all pipelines in turn; return the seconds per image of each round."""
    times: dict[str, list[float]] = {name: [] for name in PIPELINES}
    console = Console(stderr=True)
    for round_ in track(range(-1, rounds), title, console=console, transient=True):
        for name in list(PIPELINES)[:: 1 if round_ % 2 else -1]:  # alternate the direction
            start = time.perf_counter()
            for i in range(0, len(paths), batch):
                run(PIPELINES[name], paths[i : i + batch])
            if round_ >= 0:  # the first is warm-up
                times[name].append((time.perf_counter() - start) / len(paths))
    return times


def pixels(name: str, paths: list[Path]) -> torch.Tensor:
    """Load a batch from the same random state, in BGR."""
    np.random.seed(0)
    return run(PIPELINES[name], paths)['inputs'].float()


@torch.no_grad()
def outputs(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    mean = torch.tensor([103.53, 116.28, 123.675]).view(3, 1, 1)
    std = torch.tensor([57.375, 57.12, 58.395]).view(3, 1, 1)
    normalized = ((images - mean) / std).flip(1).contiguous(memory_format=torch.channels_last)
    return network(normalized)


def differences(paths: list[Path]) -> dict[str, tuple[str, str, str]]:
    """Return the mean and largest differences of pixels, and of outputs, from the reference."""
    reference = pixels(REFERENCE, paths)
    torch.manual_seed(0)
    network = torchvision.models.wide_resnet50_2().to(memory_format=torch.channels_last).eval()
    expected = outputs(network, reference)
    spread = (expected - expected.mean(0)).norm()
    rows = {}
    for name in COMPARED:
        images = pixels(name, paths)
        difference = (images - reference).abs()
        change = (outputs(network, images) - expected).norm() / spread
        rows[name] = (f'{difference.mean():.2f}', f'{difference.max():.0f}', f'{change:.4f}')
    return rows


def median_ratio(times: dict[str, list[float]], of: str, to: str) -> str:
    return f'{statistics.median(a / b for a, b in zip(times[to], times[of], strict=True)):.2f}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--images', type=int, default=64)
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--tiles', type=int, nargs='+', default=[1, 2, 4])
    args = parser.parse_args()
    # torchvision deprecates its JPEG decoder in favour of TorchCodec.
    warnings.filterwarnings('ignore', message='(?s).*TorchCodec')
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        for tiles in args.tiles:
            paths = write_images(Path(folder), tiles, args.images)
            title = f'{tiles * WIDTH}x{tiles * HEIGHT} pixels, medians of {args.rounds}'
            times = measure(paths, args.rounds, args.batch_size, title)
            compared = differences(paths[: args.batch_size])
            table = Table(title=title, box=None)
            for column in ('', 'images/s', 'ratio', 'to decoding', 'mean', 'max', 'outputs'):
                table.add_column(column, justify='right' if column else 'left', no_wrap=True)
            for name, seconds in times.items():
                table.add_row(
                    name,
                    f'{1 / statistics.median(seconds):.0f}',
                    median_ratio(times, name, REFERENCE),
                    median_ratio(times, name, DECODING),
                    *compared.get(name, ()),
                )
            Console(width=100).print(table)


if __name__ == '__main__':
    main()
