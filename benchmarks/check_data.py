"""How fast ``wrn check-data`` is, beside decoding alone, and what memory many files take.

    python benchmarks/check_data.py [PICTURES]

JPEGs of 500x375 pixels, about ImageNet's, are written from scikit-learn's photographs. In each
round every way goes once through all of them, from the page cache; shown are medians of five.
"""

import os
import statistics
import sys
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
    """Write JPEGs, in a folder for each hundred."""
    photographs = sorted(Path(sklearn.datasets.__file__).parent.glob('images/*.jpg'))
    pictures = [Image.open(path).convert('RGB') for path in photographs]
    rng = np.random.default_rng(0)
    for i in range(number):
        x, y = int(rng.integers(0, 140)), int(rng.integers(0, 52))
        path = folder / str(i // 100) / f'{i}.jpg'
        path.parent.mkdir(exist_ok=True)
        pictures[i % 2].crop((x, y, x + 500, y + 375)).save(path, quality=95)


def by_pillow(files: list[str]) -> None:
    for file in files:
        with Image.open(file) as picture:
            picture.load()


def by_opencv(files: list[str]) -> None:
    for file in files:
        cv2.imread(file)


def by_processes(files: list[str], folder: Path) -> None:
    with ProcessPoolExecutor(os.cpu_count()) as executor:
        list(executor.map(_check_file, files, chunksize=64))


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder, number)
        files = sorted(map(str, folder.rglob('*.jpg')))
        size = sum(map(os.path.getsize, files)) / number
        print(f'{number} JPEGs of {size / 1000:.0f} kB on average, {os.cpu_count()} cores')
        ways: dict[str, Callable[[], object]] = {
            'check, 1 thread': lambda: check_folder(folder, workers=1),
            f'check, {os.cpu_count()} threads': lambda: check_folder(folder),
            f'check, {os.cpu_count()} processes': lambda: by_processes(files, folder),
            'Pillow decodes, 1 thread': lambda: by_pillow(files),
            'OpenCV decodes, 1 thread': lambda: by_opencv(files),
        }
        cv2.setNumThreads(1)
        rates: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, run in ways.items():
                start = time.perf_counter()
                run()
                rates[way].append(number / (time.perf_counter() - start))
        base = statistics.median(rates['Pillow decodes, 1 thread'])
        for way, measured in rates.items():
            rate = statistics.median(measured)
            print(f'{way:26} {rate:6.0f} pictures/s, {rate / base:.2f} of Pillow')

    with tempfile.TemporaryDirectory() as name:
        for i in range(LISTED):
            path = Path(name, f'n{i // 1000:08}', f'n{i // 1000:08}_{i}.ppm')
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b'P6 1 1 255\n' + i.to_bytes(3, 'big'))
        tracemalloc.start()
        check_folder(name)
        peak = tracemalloc.get_traced_memory()[1]
        print(f'{LISTED} pictures of a pixel: at most {peak / LISTED:.0f} bytes a picture')


if __name__ == '__main__':
    main()
