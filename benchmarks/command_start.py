"""Time until a command answers, as a multiple of the time that ``import torch`` takes.

``import torch``, the commands and the peers alternate, each time in a new process. Prints medians,
and with ``--check`` exits with status 1 if a command is slower than its aim::

    python benchmarks/command_start.py --runs 7 --check

The peers are ``import timm``, and ``yolo --help`` of ultralytics if it is installed.
"""

import argparse
import importlib.util
import statistics
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

WRN = [sys.executable, '-c', 'from wrn_base.cli import run_and_exit; run_and_exit()']
NAME = 'wide-resnet50_3rdparty_8xb32_in1k'
TORCH = 'import torch'
COMMANDS = {
    'wrn': ([], 0.4),
    'wrn --help': (['--help'], 0.4),
    'wrn --version': (['--version'], 0.4),
    'wrn finetune --help': (['finetune', '--help'], 0.4),
    'wrn trian': (['trian'], 0.4),
    'wrn train x --epohcs 3': (['train', 'x', '--epohcs', '3'], 0.4),
    'wrn list': (['list'], 0.6),
    f'wrn info {NAME}': (['info', NAME], 0.6),
}


def find_peers() -> dict[str, list[str]]:
    peers = {}
    if importlib.util.find_spec('timm'):
        peers['import timm'] = [sys.executable, '-c', 'import timm']
    if (yolo := Path(sys.executable).with_name('yolo')).exists():
        peers['yolo --help'] = [str(yolo), '--help']
    return peers


def measure(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--runs', type=int, default=7)
    parser.add_argument('--check', action='store_true')
    args = parser.parse_args()
    commands = {TORCH: [sys.executable, '-c', TORCH]}
    commands |= {name: [*WRN, *words] for name, (words, _) in COMMANDS.items()} | find_peers()
    for command in commands.values():  # warms the disk cache
        measure(command)
    console = Console(stderr=True)
    rounds = [
        {name: measure(command) for name, command in commands.items()}
        for _ in track(range(args.runs), 'Measuring', console=console, transient=True)
    ]
    table = Table(title=f'start of a command, medians of {args.runs} rounds', box=None)
    for column in ('', 'seconds', 'of import torch', 'least to most', 'aim'):
        table.add_column(column, justify='right' if column else 'left')
    slow = []
    for name in commands:
        ratios = sorted(times[name] / times[TORCH] for times in rounds)
        aim = COMMANDS[name][1] if name in COMMANDS else None
        table.add_row(
            name,
            f'{statistics.median(times[name] for times in rounds):.2f}',
            f'{statistics.median(ratios):.3f}',
            f'{ratios[0]:.3f} to {ratios[-1]:.3f}',
            f'{aim:.1f}' if aim else '',
        )
        if aim and statistics.median(ratios) > aim:
            slow.append(name)
    Console(width=100).print(table)
    if args.check and slow:
        sys.exit(f'above the aim: {", ".join(slow)}')


if __name__ == '__main__':
    main()
