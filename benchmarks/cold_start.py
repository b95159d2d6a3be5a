"""Time from the start of a process to a model with weights, and to its first prediction.

This package and mmpretrain alone alternate, each time in a new process, on the same weights file
and image. Prints medians of the times and of the ratios of the pairs::

    python benchmarks/cold_start.py --runs 7

``model`` is importing the package and loading wide-resnet50 with weights from a local file,
``after imports`` the part after the imports, ``prediction`` the time until the first prediction.
``memory`` is the peak memory minus the memory before loading, as a multiple of the weights, from
``/proc`` (Linux only).
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

NAME = 'wide-resnet50_3rdparty_8xb32_in1k'
PROCESS = """
import json, sys, time, warnings
warnings.simplefilter('ignore')

def memory(key):
    (line,) = (line for line in open('/proc/self/status') if line.startswith(key + ':'))
    return int(line.split()[1]) * 1024

start = time.perf_counter()
import {package}
imported = time.perf_counter()
weights, image = sys.argv[1:]
before = memory('VmRSS')
model = {package}.get_model('{name}', pretrained=weights)
built = time.perf_counter()
peak = memory('VmHWM')
{package}.inference_model(model, image)
print(json.dumps({{
    'imports': imported - start,
    'after imports': built - imported,
    'model': built - start,
    'prediction': time.perf_counter() - start,
    'memory': peak - before,
}}))
"""
ROWS = {'imports': None, 'after imports': 0.15, 'model': 0.6, 'prediction': 0.6}


def measure(package: str, weights: Path, image: Path) -> dict[str, float]:
    code = PROCESS.format(package=package, name=NAME)
    command = [sys.executable, '-c', code, str(weights), str(image)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def write_inputs(folder: Path) -> tuple[Path, Path]:
    import numpy as np
    import torch
    from PIL import Image

    import wrn

    torch.save(wrn.get_model(NAME).state_dict(), folder / 'weights.pth')
    pixels = np.random.default_rng(0).integers(0, 256, (375, 500, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / 'image.jpg')
    return folder / 'weights.pth', folder / 'image.jpg'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--runs', type=int, default=7)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        weights, image = write_inputs(Path(folder))
        size = weights.stat().st_size
        for package in ('wrn', 'mmpretrain'):  # warms the disk cache
            measure(package, weights, image)
        pairs = [
            (measure('wrn', weights, image), measure('mmpretrain', weights, image))
            for _ in track(range(runs), 'Measuring', console=Console(stderr=True), transient=True)
        ]
    table = Table(title=f'cold start of wide-resnet50, medians of {runs} pairs', box=None)
    for column in ('', 'wrn', 'mmpretrain', 'ratio', 'least to most', 'aim'):
        table.add_column(column, justify='left' if column == '' else 'right')
    for row, aim in ROWS.items():
        ratios = sorted(ours[row] / theirs[row] for ours, theirs in pairs)
        table.add_row(
            row,
            *(f'{statistics.median(pair[i][row] for pair in pairs):.2f} s' for i in (0, 1)),
            f'{statistics.median(ratios):.3f}',
            f'{ratios[0]:.3f} to {ratios[-1]:.3f}',
            f'{aim:.2f}' if aim else '',
        )
    memory = [statistics.median(pair[i]['memory'] for pair in pairs) / size for i in (0, 1)]
    table.add_row('memory / weights', *(f'{value:.2f}' for value in memory), '', '', '1.20')
    Console(width=100).print(table)


if __name__ == '__main__':
    main()
