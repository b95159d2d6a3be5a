"""Throughput of ``wrn check-data`` compared with decoding alone, and its memory per file.

::

    python benchmarks/check_data.py --images 1000

The images are JPEGs of 500x375 pixels, as in ImageNet, cropped from scikit-learn's photographs and
read from the page cache. Prints medians of five alternating rounds.
"""

import argparse
import os
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import sklearn.datasets
from PIL import Image

from wrn.data.check_folder import _check_file, check_folder

ROUNDS = 5
LISTED = 100_000


def write_images(folder: Path, number: int) -> None:
    """Write JPEGs, a hundred in each folder."""
    paths = sorted(Path(sklearn.datasets.__file__).parent.glob('images/*.jpg'))
    photographs = [Image.open(path).convert('RGB') for path in paths]
    rng = np.random.default_rng(0)
    for i in range(number):
        x, y = int(rng.integers(0, 140)), int(rng.integers(0, 52))
        path = folder / str(i // 100) / f'{i}.jpg'
        path.parent.mkdir(exist_ok=True)
        photographs[i % 2].crop((x, y, x + 500, y + 375)).save(path, quality=95)


def decode_with_pillow(files: list[str]) -> None:
    for file in files:
        with Image.open(file) as image:
            image.load()


def decode_with_opencv(files: list[str]) -> None:
    for file in files:
        cv2.imread(file)


def check_in_processes(files: list[str]) -> None:
    with ProcessPoolExecutor(os.cpu_count()) as executor:
        list(executor.map(_check_file, files, chunksize=64))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--images', type=int, default=1000)
    number = parser.parse_args().images
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder, number)
        files = sorted(map(str, folder.rglob('*.jpg')))
        size = sum(map(os.path.getsize, files)) / number
        print(f'{number} JPEGs of {size / 1000:.0f} kB on average, {os.cpu_count()} cores')
        tasks: dict[str, Callable[[], object]] = {
            'check, 1 thread': lambda: check_folder(folder, workers=1),
            f'check, {os.cpu_count()} threads': lambda: check_folder(folder),
            f'check --near, {os.cpu_count()} threads': lambda: check_folder(folder, near=True),
            f'check, {os.cpu_count()} processes': lambda: check_in_processes(files),
            'Pillow decodes, 1 thread': lambda: decode_with_pillow(files),
            'OpenCV decodes, 1 thread': lambda: decode_with_opencv(files),
        }
        cv2.setNumThreads(1)
        rates: dict[str, list[float]] = {task: [] for task in tasks}
        for _ in range(ROUNDS):
            for task, run in tasks.items():
                start = time.perf_counter()
                run()
                rates[task].append(number / (time.perf_counter() - start))
        base = statistics.median(rates['Pillow decodes, 1 thread'])
        for task, measured in rates.items():
            rate = statistics.median(measured)
            print(f'{task:26} {rate:6.0f} images/s, {rate / base:.2f} of Pillow')

    with tempfile.TemporaryDirectory() as name:
        for i in range(LISTED):
            path = Path(name, f'n{i // 1000:08}', f'n{i // 1000:08}_{i}.ppm')
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b'P6 1 1 255\n' + i.to_bytes(3, 'big'))
        tracemalloc.start()
        check_folder(name)
        peak = tracemalloc.get_traced_memory()[1]
        print(f'{LISTED} images of one pixel: peak memory of {peak / LISTED:.0f} bytes per image')


if __name__ == '__main__':
    main()
