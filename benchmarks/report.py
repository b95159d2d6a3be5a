"""Time, memory and size of the report of a test, by the number of images.

::

    python benchmarks/report.py --images 1000 10000 100000

Each test runs in a process of its own, without and with ``--report``: images of 32x32 pixels in
1,000 classes, which are drawn, and a WRN-10-1 with random weights, so that nearly all predictions
are wrong and the confusion matrix has no empty part.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from machine import describe_machine

import wrn

CLASSES = 1000
CONFIG = f"""
custom_imports = dict(imports=['wrn'])
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='WideResNetCIFAR', depth=10, widen_factor=1),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes={CLASSES}, in_channels=64,
              loss=dict(type='CrossEntropyLoss')),
)
data_preprocessor = dict(num_classes={CLASSES}, mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True)
test_dataloader = dict(
    batch_size=128,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CustomDataset',
        data_prefix='data',
        pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')],
    ),
)
test_evaluator = dict(type='Accuracy', topk=(1, 5))
test_cfg = dict()
"""


def write_images(folder: Path, number: int) -> None:
    """Write PNGs, the same number in each class."""
    rng = np.random.default_rng(0)
    for i in range(number):
        path = folder / f'{i % CLASSES:04}' / f'{i}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        small = rng.integers(0, 256, (8, 8, 3), np.uint8)
        cv2.imwrite(str(path), cv2.resize(small, (32, 32), interpolation=cv2.INTER_CUBIC))


def run(folder: Path, *options: str) -> tuple[float, float]:
    """Run a test, and return its seconds and the GB of memory that it took at most."""
    words = [sys.executable, '-m', 'wrn', 'test', 'config.py', 'weights.pth', *options]
    start = time.perf_counter()
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f'{" ".join(words)}: failed')
    return time.perf_counter() - start, usage.ru_maxrss / (1 << 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--images', type=int, nargs='+', default=[1000, 10_000, 100_000])
    print(describe_machine())
    print('  images   test, s   with report, s   added, s   test, GB   with report, GB   page, MB')
    for number in parser.parse_args().images:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / 'config.py').write_text(CONFIG)
            network = wrn.get_model(str(folder / 'config.py'))
            torch.save(dict(state_dict=network.state_dict()), folder / 'weights.pth')
            write_images(folder / 'data', number)
            plain, plain_memory = run(folder)
            full, full_memory = run(folder, '--report', 'report')
            size = (folder / 'report/index.html').stat().st_size / 1e6
        print(
            f'{number:8,}   {plain:7.1f}   {full:14.1f}   {full - plain:8.1f}   '
            f'{plain_memory:8.2f}   {full_memory:15.2f}   {size:8.1f}',
            flush=True,
        )


if __name__ == '__main__':
    main()
