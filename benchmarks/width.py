"""Accuracy of WRN-16-k on the digits by width, with the digits model's recipe.

Trains each width with several seeds by ``wrn train`` and prints the median, least and most top-1
accuracy::

    python benchmarks/width.py --widths 2             # the digits model
    python benchmarks/width.py --epochs 40 --swapped  # trained on 355 digits, tested on 1,442

With swapped splits there are enough errors for a comparison.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from wrn.training.evaluation.curves import read_log

CONFIG = 'configs/wrn/wide-resnet16-2_1xb64_digits.py'
EPOCHS = 20
MILESTONES = (0.3, 0.6, 0.8)  # shares of the epochs, as in the paper
SWAPPED = (
    'train_dataloader.dataset.split=test',
    'val_dataloader.dataset.split=train',
    'test_dataloader.dataset.split=train',
)


def train(width: int, seed: int, folder: Path, options: tuple[str, ...]) -> float:
    """Train once, and return the accuracy of the last epoch."""
    settings = (
        f'model.backbone.widen_factor={width}',
        f'model.head.in_channels={64 * width}',
        f'randomness.seed={seed}',
        'default_hooks.checkpoint.interval=1000',
        *options,
    )
    command = [sys.executable, '-m', 'wrn', 'train', CONFIG, '--work-dir', str(folder)]
    subprocess.run([*command, '--cfg-options', *settings], check=True, capture_output=True)
    return [line['accuracy/top1'] for line in read_log(str(folder)) if 'accuracy/top1' in line][-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--widths', type=int, nargs='+', default=[1, 2, 4])
    parser.add_argument('--seeds', type=int, default=5)
    parser.add_argument('--epochs', type=int, default=EPOCHS)
    parser.add_argument('--swapped', action='store_true', help='train on the held-out split')
    args = parser.parse_args()
    runs = [(seed, width) for seed in range(args.seeds) for width in args.widths]
    milestones = ','.join(str(round(share * args.epochs)) for share in MILESTONES)
    schedule = (
        f'train_cfg.max_epochs={args.epochs}',
        f'param_scheduler.milestones=[{milestones}]',
    )
    accuracies: dict[int, list[float]] = {width: [] for width in args.widths}
    with tempfile.TemporaryDirectory() as folder:
        for seed, width in track(runs, 'Training', console=Console(stderr=True), transient=True):
            options = schedule + (SWAPPED if args.swapped else ())
            work_dir = Path(folder, f'{width}-{seed}')
            accuracies[width].append(train(width, seed, work_dir, options))
    table = Table(title=f'top-1 accuracy over {args.seeds} seeds (%)', box=None)
    for column in ('network', 'median', 'least', 'most'):
        table.add_column(column, justify='left' if column == 'network' else 'right')
    for width, values in accuracies.items():
        figures = (statistics.median(values), min(values), max(values))
        table.add_row(f'WRN-16-{width}', *(f'{value:.2f}' for value in figures))
    Console(width=80).print(table)


if __name__ == '__main__':
    main()
