"""``wrn finetune --head-only`` next to ``wrn finetune`` of all layers: time and accuracy.

::

    python benchmarks/head_only.py speed
    python benchmarks/head_only.py digits
    python benchmarks/head_only.py speed digits --check    # fails below 50x or beyond 2 points

``speed`` takes 1,000 JPEGs of 500x375 and wide-resnet50 at 224 pixels with random weights.
``--head-only`` runs as a whole process, from the start to the published file, with an empty cache.
An epoch of all layers takes minutes, so a few steps are measured in the same round, in a run with
some of the images. The time of 20 epochs is extrapolated from the median step and the speed of
validation in its log, without its start. Rounds alternate.

``digits`` trains a WRN-16-2 on scikit-learn's digits 0 to 4. From these weights, which do not know
the digits 5 to 9, it fine-tunes on half of those for 20 epochs, and tests on the other half. Each
seed draws other images for validation.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from images import write_digits, write_images
from machine import describe_machine, versions
from scaling import Values, print_table, take_turns

import wrn

EPOCHS = 20
BATCH_SIZE = 32
CLASSES = 10
MODEL = 'wide-resnet50_3rdparty_8xb32_in1k'
LEAST_SPEEDUP = 50
MOST_POINTS = 2.0
CONFIG = """
_base_ = ['{root}/configs/wrn/wide-resnet16-2_1xb64_digits.py']
model = dict(head=dict(num_classes=5, topk=(1,)))
reading = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(16, 16), backend='pillow')]
train_dataloader = dict(dataset=dict(
    _delete_=True, type='CustomDataset', data_root='{data}', data_prefix='train',
    pipeline=[*reading, dict(type='RandomCrop', crop_size=16, padding=2), dict(type='PackInputs')],
))
val_dataloader = dict(dataset=dict(
    _delete_=True, type='CustomDataset', data_root='{data}', data_prefix='val',
    pipeline=[*reading, dict(type='PackInputs')],
))
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(topk=(1,))
"""


def run(cache: Path, *words: object) -> float:
    """Run ``wrn`` as a process, and return its seconds."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, '-m', 'wrn', *map(str, words)],
        env={**os.environ, 'WRN_HOME': str(cache)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - start


def time_head(data: Path, weights: Path) -> Values:
    """Return the seconds of ``--head-only``, with an empty cache."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = ('finetune', data, '--model', MODEL, '--checkpoint', weights, '--head-only')
        return dict(seconds=run(folder / 'cache', *words, '--work-dir', folder / 'run'))


def time_all(data: Path, weights: Path, images: int) -> Values:
    """Measure steps of all layers, and return the seconds of 20 epochs with more images."""
    with tempfile.TemporaryDirectory() as name:
        words = ('finetune', data, '--model', MODEL, '--checkpoint', weights, '--epochs', 1)
        more = ('--cfg-options', 'default_hooks.logger.interval=1', '--work-dir', name)
        run(Path(name, 'cache'), *words, *more)
        (log,) = Path(name, 'run').glob('*/vis_data/scalars.json')
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [line['time'] for line in lines if 'loss' in line][1:]  # the first one starts workers
    (validation,) = (line['val/images_per_second'] for line in lines if 'accuracy/top1' in line)
    train, val = round(0.8 * images), round(0.2 * images)
    step = statistics.median(steps)
    epoch = math.ceil(train / BATCH_SIZE) * step + val / validation
    return dict(step=step, seconds=EPOCHS * epoch + val / validation)


def compare_speed(images: int, rounds: int, steps: int) -> dict[str, list[Values]]:
    """Alternate both, and add the ratio of their times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.manual_seed(0)
        weights = folder / 'random.pth'
        torch.save(wrn.get_model(MODEL).state_dict(), weights)
        few = max(CLASSES, round(BATCH_SIZE * (steps + 1) / 0.8 / CLASSES) * CLASSES)
        (folder / 'all').mkdir()
        files = write_images(folder / 'all', 1, images)
        for i, path in enumerate(files):
            for data in ('images', *(['few'] if i < few else [])):
                link = folder / data / f'class {i % CLASSES}' / path.name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.hardlink_to(path)
        cases = {
            'head only': partial(time_head, folder / 'images', weights),
            'all layers, 20 epochs': partial(time_all, folder / 'few', weights, images),
        }
        rows = take_turns(rounds, cases, 'Fine-tuning')
    head, layers = rows.values()
    for ours, theirs in zip(head, layers, strict=True):
        ours['speed-up'] = theirs['seconds'] / ours['seconds']
        theirs['speed-up'] = 1.0
    print_table(f'{images} images, medians of {rounds}', rows, {'seconds': 0, 'speed-up': 1})
    return rows


def write_halves(folder: Path) -> None:
    """Write 0 to 4 to ``old``, and 5 to 9 to ``new``: half of each class for the test."""
    write_digits(folder / 'digits')
    for i, path in enumerate(sorted((folder / 'digits').rglob('*.png'))):
        split, label = path.parts[-3:-1]
        known = int(label) < CLASSES // 2
        place = ('old', split) if known else ('new', ('train', 'test')[i % 2])
        link = folder.joinpath(*place, label, path.name)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.hardlink_to(path)


def tune_digits(folder: Path, seed: int, *more: str) -> float:
    """Return the accuracy on the test images."""
    (weights,) = folder.glob('old-*.pth')
    out = folder / f'{seed}{"".join(more)}'
    words = ('finetune', folder / 'new', '--model', weights, '--seed', seed, '--work-dir', out)
    run(folder / 'cache', *words, *more)
    return json.loads((out / 'report' / 'report.json').read_text())['metrics']['accuracy/top1']


def compare_accuracy(seeds: int) -> dict[str, list[Values]]:
    """Pretrain on some digits, and fine-tune on the others in both ways."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_halves(folder)
        root = Path(__file__).resolve().parents[1]
        (folder / 'old.py').write_text(CONFIG.format(root=root, data=folder / 'old'))
        run(folder, 'train', folder / 'old.py', '--work-dir', folder / 'pretrained')
        last = (folder / 'pretrained' / 'last_checkpoint').read_text().strip()
        run(folder, 'publish', last, 'old.pth', '--folder', folder)
        rows: dict[str, list[Values]] = {}
        for title, more in (('head only', ['--head-only']), ('all layers, 20 epochs', [])):
            rows[title] = [dict(accuracy=tune_digits(folder, seed, *more)) for seed in range(seeds)]
    print_table(f'digits 5 to 9, medians of {seeds} seeds', rows, dict(accuracy=1))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('what', choices=['speed', 'digits'], nargs='+')
    parser.add_argument('--images', type=int, default=1000)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--steps', type=int, default=4, help='steps of all layers to measure')
    parser.add_argument('--seeds', type=int, default=5)
    parser.add_argument('--check', action='store_true', help='fail if a figure is not reached')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all results here')
    args = parser.parse_args()
    results: dict[str, object] = dict(machine=describe_machine(), versions=versions())
    failures = []
    if 'speed' in args.what:
        results['speed'] = rows = compare_speed(args.images, args.rounds, args.steps)
        speedup = statistics.median(row['speed-up'] for row in rows['head only'])
        if speedup < LEAST_SPEEDUP:
            failures.append(f'{speedup:.1f} times as fast, not {LEAST_SPEEDUP}')
    if 'digits' in args.what:
        results['digits'] = rows = compare_accuracy(args.seeds)
        head, layers = (statistics.median(v['accuracy'] for v in row) for row in rows.values())
        if layers - head > MOST_POINTS:
            failures.append(f'{layers - head:.1f} points below all layers, not {MOST_POINTS}')
    print(describe_machine())
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + '\n')
    if args.check and failures:
        sys.exit('; '.join(failures))


if __name__ == '__main__':
    main()
