"""Whole jobs, as processes from start to end: a short training, and a test on a folder of JPEGs.

``wrn train`` and ``wrn test``, mmpretrain's ``tools/train.py`` and ``tools/test.py``, and plain
torch (``plain_torch.py``) alternate, each time in a new process::

    python benchmarks/whole_job.py train --runs 7
    python benchmarks/whole_job.py test --runs 3

``train`` is two epochs of a narrow ResNet-18 on scikit-learn's digits, as PNGs in class folders,
with a validation and a checkpoint after each. All three have the same number of steps. The first
two have the same batches and, with ``--no-fused``, the same numerics: their weights are
bit-identical. ``test`` is wide-resnet50 on JPEGs of 500x375 pixels, with the same random weights.
Predictions are written, and the largest difference of their probabilities from ours is printed.
Times are medians; the ratios are medians over the pairs.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import mmengine
import mmpretrain
import torch
import torchvision
from images import write_digits, write_images
from rich.console import Console
from rich.progress import track
from rich.table import Table

from wrn.checkpoints import read_checkpoint, to_openmmlab
from wrn_base import model_index

MMPRETRAIN = Path(mmpretrain.__file__).parent / '.mim'
PLAIN = Path(__file__).with_name('plain_torch.py')
TRAINING = """
_base_ = ['{root}/configs/_base_/default_runtime.py']
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=18, stem_channels=16, base_channels=16),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes=10, in_channels=128, topk=(1,),
        loss=dict(type='CrossEntropyLoss'),
    ),
)
data_preprocessor = dict(num_classes=10, mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True)
pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(32, 32), backend='pillow'),
    dict(type='PackInputs'),
]
loader = dict(batch_size=64, num_workers=0, persistent_workers=False)
dataset = dict(type='CustomDataset', data_root='{data}', pipeline=pipeline)
train_dataloader = dict(
    **loader, dataset=dict(**dataset, data_prefix='train'),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    **loader, dataset=dict(**dataset, data_prefix='val'),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
val_evaluator = dict(type='Accuracy', topk=(1,))
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9))
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=1)
val_cfg = dict()
randomness = dict(seed=0)
"""
TESTING = """
_base_ = ['{root}/configs/wrn/wide-resnet50_8xb32_in1k.py']
model = dict(head=dict(num_classes=10, topk=(1,)))
data_preprocessor = dict(num_classes=10)
test_dataloader = dict(
    dataset=dict(
        _delete_=True, type='CustomDataset', data_root='{data}',
        pipeline={{{{_base_.test_pipeline}}}},
    )
)
test_evaluator = dict(topk=(1,))
"""


class Candidate(NamedTuple):
    """A command, and what it writes."""

    command: list[str | Path]
    out: Path


class Job(NamedTuple):
    """What ours and the baselines do, and how their results are compared."""

    title: str
    candidates: dict[str, Candidate]
    aims: dict[str, float]
    compare: Callable[[dict[str, Path]], dict[str, list[str]]]
    columns: tuple[str, ...]


def write_config(path: Path, text: str, root: Path, data: Path) -> Path:
    path.write_text(text.format(root=root, data=data))
    return path


def training(folder: Path, count: int) -> Job:
    data = folder / 'digits'
    write_digits(data)
    config = write_config(folder / 'train.py', TRAINING, MMPRETRAIN, data)
    outs = {name: folder / name for name in ('wrn', 'mmpretrain', 'plain torch')}
    tool = MMPRETRAIN / 'tools/train.py'
    commands: list[list[str | Path]] = [
        ['-m', 'wrn', 'train', config, '--verbose', '--no-fused', '--work-dir', outs['wrn']],
        [tool, config, '--work-dir', outs['mmpretrain']],
        [PLAIN, 'train', data, outs['plain torch']],
    ]
    return Job(
        'two epochs on the digits',
        dict(zip(outs, map(Candidate, commands, outs.values()), strict=True)),
        {'mmpretrain': 0.6},
        compare_trainings,
        ('steps', 'checkpoints', 'weights'),
    )


def compare_trainings(outs: dict[str, Path]) -> dict[str, list[str]]:
    """Return steps, checkpoints, and the largest difference of weights from ours."""
    last = {name: read_checkpoint(max(out.glob('epoch_*.pth'))) for name, out in outs.items()}
    ours = last['wrn']['state_dict']
    rows = {}
    for name, checkpoint in last.items():
        weights = checkpoint['state_dict']
        same = weights.keys() == ours.keys()
        differences = [(ours[k] - weights[k]).abs().max().item() for k in ours] if same else []
        checkpoints = len(list(outs[name].glob('epoch_*.pth')))
        steps = str(checkpoint['meta']['iter'])
        rows[name] = [steps, str(checkpoints), f'{max(differences):.1e}' if same else '']
    return rows


def testing(folder: Path, count: int) -> Job:
    data = folder / 'jpegs'
    for label in range(10):
        (data / str(label)).mkdir(parents=True)
    for i, path in enumerate(write_images(data, 1, count)):
        path.rename(data / str(i % 10) / path.name)
    torch.manual_seed(0)
    weights = torchvision.models.wide_resnet50_2(num_classes=10).state_dict()
    torch.save(weights, folder / 'torchvision.pth')
    torch.save(to_openmmlab(weights, 'random').state_dict, folder / 'openmmlab.pth')
    outs = {name: folder / f'{name}.pkl' for name in ('wrn', 'mmpretrain', 'plain torch')}
    ours = write_config(folder / 'ours.py', TESTING, model_index.root(), data)
    theirs = write_config(folder / 'theirs.py', TESTING, MMPRETRAIN, data)
    rest: list[str | Path] = [folder / 'openmmlab.pth', '--work-dir', folder / 'test', '--out']
    commands: list[list[str | Path]] = [
        ['-m', 'wrn', 'test', '--verbose', ours, *rest, outs['wrn']],
        [MMPRETRAIN / 'tools/test.py', theirs, *rest, outs['mmpretrain']],
        [PLAIN, 'test', data, folder / 'torchvision.pth', outs['plain torch']],
    ]
    return Job(
        f'wide-resnet50 on {count} JPEGs',
        dict(zip(outs, map(Candidate, commands, outs.values()), strict=True)),
        {'mmpretrain': 1.0, 'plain torch': 1.0},
        compare_predictions,
        ('same classes', 'scores'),
    )


def compare_predictions(outs: dict[str, Path]) -> dict[str, list[str]]:
    """Return how many classes equal ours, and the largest difference of probabilities."""
    scores = {
        name: torch.stack([sample['pred_score'] for sample in mmengine.load(out)])
        for name, out in outs.items()
    }
    ours = scores['wrn']
    return {
        name: [
            f'{int((theirs.argmax(1) == ours.argmax(1)).sum())} of {len(ours)}',
            f'{(theirs - ours).abs().max():.1e}',
        ]
        for name, theirs in scores.items()
    }


def measure(candidate: Candidate) -> tuple[float, list[str]]:
    """Run a command; return its seconds and the accuracies that it prints."""
    command = [sys.executable, *map(str, candidate.command)]
    shutil.rmtree(candidate.out, ignore_errors=True)  # training refuses a used work folder
    start = time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if result.returncode:
        sys.exit(result.stdout[-2000:] + result.stderr[-2000:])
    return seconds, re.findall(r'accuracy/top1: ([\d.]+)', result.stdout)


def run(job: Job, runs: int) -> None:
    for candidate in job.candidates.values():  # warms the disk cache
        measure(candidate)
    rounds = []
    for _ in track(range(runs), job.title, console=Console(stderr=True), transient=True):
        rounds.append({name: measure(c) for name, c in job.candidates.items()})
    compared = job.compare({name: c.out for name, c in job.candidates.items()})
    table = Table(title=f'{job.title}, medians of {runs}', box=None)
    for column in ('', 'time', 'wrn / it', 'least to most', 'aim', 'accuracy', *job.columns):
        table.add_column(column, justify='right' if column else 'left', no_wrap=True)
    for name in job.candidates:
        ratios = sorted(times['wrn'][0] / times[name][0] for times in rounds)
        table.add_row(
            name,
            f'{statistics.median(times[name][0] for times in rounds):.2f} s',
            f'{statistics.median(ratios):.3f}',
            f'{ratios[0]:.3f} to {ratios[-1]:.3f}',
            f'{job.aims[name]:.2f}' if name in job.aims else '',
            ', '.join(rounds[-1][name][1]),
            *compared[name],
        )
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('job', choices=['train', 'test'])
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--images', type=int, default=128, help='of the test')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        make = dict(train=training, test=testing)[args.job]
        run(make(Path(name), args.images), args.runs)


if __name__ == '__main__':
    main()
