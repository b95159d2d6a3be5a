"""Time and memory in which `wrn convert` converts WRN-101-2.

The conversion and a plain copy of the same file alternate, each time in a new process. Prints
medians::

    python benchmarks/convert.py --runs 5

``copy`` is `cp` and `sync`; ``convert`` reads the file, renames the keys, verifies the result by
converting it back, and writes it to the disk. ``memory`` is the peak memory minus the memory before
the conversion, as a multiple of the weights, from ``/proc`` (Linux only).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

CONVERT = """
import json, os, sys, time, warnings
warnings.simplefilter('ignore')
import torch, wrn
from wrn.checkpoints.checkpoint_file import open_checkpoint
from wrn.checkpoints.convert import convert

def memory(key):
    (line,) = (line for line in open('/proc/self/status') if line.startswith(key + ':'))
    return int(line.split()[1]) * 1024

# Convert a small network first, so that one-time imports are not measured.
source, small, name, to, folder = sys.argv[1:]
convert(open_checkpoint(small), 'small' + name, to, folder)
before = memory('VmRSS')
open('/proc/self/clear_refs', 'w').write('5')
os.sync()  # do not wait for earlier writes
start = time.perf_counter()
convert(open_checkpoint(source), name, to, folder)
print(json.dumps({'time': time.perf_counter() - start, 'memory': memory('VmHWM') - before}))
"""
COPY = """
import json, os, shutil, sys, time
os.sync()
start = time.perf_counter()
with open(sys.argv[1], 'rb') as source, open(sys.argv[2] + '/copy', 'wb') as target:
    shutil.copyfileobj(source, target, 1 << 20)
    target.flush()
    os.fsync(target.fileno())
print(json.dumps({'time': time.perf_counter() - start}))
"""
ROWS = [
    ('torchvision .pth to .safetensors', 'x.safetensors', 'openmmlab'),
    ('torchvision .pth to .pth', 'x.pth', 'openmmlab'),
    ("torchvision .pth to the authors' (folds)", 'x.pth', 'authors'),
]


def run(code: str, *arguments: object) -> dict[str, float]:
    command = [sys.executable, '-c', code, *map(str, arguments)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def write_inputs(folder: Path) -> tuple[Path, Path]:
    import torch
    import torchvision

    models = torchvision.models
    torch.save(models.wide_resnet101_2().state_dict(), folder / 'large.pth')
    torch.save(models.resnet18().state_dict(), folder / 'small.pth')
    return folder / 'large.pth', folder / 'small.pth'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--folder', help='where to write (default: the temporary folder)')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        large, small = write_inputs(folder)
        size = large.stat().st_size
        table = Table(
            title=f'WRN-101-2, {size / 1e6:.0f} MB, medians of {args.runs} pairs', box=None
        )
        for column in ('', 'convert', 'copy', 'ratio', 'least to most', 'memory / weights', 'aim'):
            table.add_column(column, justify='left' if column == '' else 'right')
        progress = Console(stderr=True)
        for row, target, to in ROWS:
            run(COPY, large, folder)  # warms the disk cache
            pairs = [
                (run(CONVERT, large, small, target, to, folder), run(COPY, large, folder))
                for _ in track(range(args.runs), row, console=progress, transient=True)
            ]
            ratios = sorted(ours['time'] / copy['time'] for ours, copy in pairs)
            memory = statistics.median(ours['memory'] for ours, _ in pairs) / size
            table.add_row(
                row,
                *(f'{statistics.median(pair[i]["time"] for pair in pairs):.2f} s' for i in (0, 1)),
                f'{statistics.median(ratios):.2f}',
                f'{ratios[0]:.2f} to {ratios[-1]:.2f}',
                f'{memory:.2f}',
                '2.20',
            )
    Console(width=120).print(table)


if __name__ == '__main__':
    main()
