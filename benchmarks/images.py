"""Images for the benchmarks, made from data that scikit-learn ships."""

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

WIDTH, HEIGHT = 500, 375


def write_images(folder: Path, tiles: int, count: int) -> list[Path]:
    """Write JPEG mosaics of ``tiles`` by ``tiles`` crops."""
    rng = np.random.default_rng(0)
    photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    paths = []
    for i in range(count):
        mosaic = Image.new('RGB', (tiles * WIDTH, tiles * HEIGHT))
        for tile in range(tiles**2):
            photograph = photographs[(i + tile) % 2]
            width = rng.integers(WIDTH, int(photograph.height * WIDTH / HEIGHT) + 1)
            height = width * HEIGHT // WIDTH
            x = rng.integers(0, photograph.width - width + 1)
            y = rng.integers(0, photograph.height - height + 1)
            crop = photograph.resize(
                (WIDTH, HEIGHT), Image.Resampling.LANCZOS, box=(x, y, x + width, y + height)
            )
            mosaic.paste(crop, (tile % tiles * WIDTH, tile // tiles * HEIGHT))
        paths.append(folder / f'{tiles}_{i}.jpg')
        mosaic.save(paths[-1], quality=90, subsampling='4:2:0')
    return paths


def write_digits(folder: Path) -> None:
    """Write the digits as PNGs of 8x8 pixels, every fifth of a class to ``val``."""
    images, labels = load_digits(return_X_y=True)
    counts = Counter[int]()  # images written so far, by class
    for image, label in zip(images.reshape(-1, 8, 8), labels.tolist(), strict=True):
        split = 'val' if counts[label] % 5 == 4 else 'train'
        path = folder / split / str(label) / f'{counts[label]}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * (255 / 16)).round().astype(np.uint8)).save(path)
        counts[label] += 1
