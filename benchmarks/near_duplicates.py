"""Which copies of images ``wrn check-data --near`` finds, and which images it takes for copies.

::

    python benchmarks/near_duplicates.py

The photographs are all tiles of 160x120 pixels of scikit-learn's two, the drawings are random
ellipses and rectangles of 200x200 pixels, and the digits are scikit-learn's, of 8x8 pixels. A copy
is found if its hash differs in at most 4 bits from that of the image. A false alarm is a pair of
different images whose hashes do. Mirrored hashes are those of the mirrored images. ``wrn`` does not
compare them: they would find mirrored copies, and bring false alarms of their own.
"""

import io
import time
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from sklearn.datasets import load_digits, load_sample_images

from wrn.data.perceptual_hash import hash_content
from wrn.data.similar_hashes import DISTANCE, match_hashes


def encode(image: Image.Image, format: str = 'PNG', quality: int = 75) -> bytes:
    file = io.BytesIO()
    image.save(file, format, quality=quality)
    return file.getvalue()


def crop(image: Image.Image) -> Image.Image:
    width, height = image.size
    x, y = max(1, round(width * 0.025)), max(1, round(height * 0.025))
    return image.crop((x, y, width - x, height - y))


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    'JPEG, quality 90': lambda image: encode(image, 'JPEG', 90),
    'JPEG, quality 50': lambda image: encode(image, 'JPEG', 50),
    'half the size': lambda image: encode(image.resize((image.width // 2, image.height // 2))),
    '20 % brighter': lambda image: encode(ImageEnhance.Brightness(image).enhance(1.2)),
    '5 % cropped': lambda image: encode(crop(image)),
    'mirrored': lambda image: encode(ImageOps.mirror(image)),
}


def cut_photographs() -> Iterator[Image.Image]:
    for pixels in load_sample_images().images:
        height, width = pixels.shape[:2]
        for y in range(0, height - 119, 120):
            for x in range(0, width - 159, 160):
                yield Image.fromarray(pixels[y : y + 120, x : x + 160])


def draw_shapes(number: int = 300) -> Iterator[Image.Image]:
    rng = np.random.default_rng(0)

    def color() -> tuple[int, ...]:
        return tuple(rng.integers(0, 256, 3).tolist())

    for _ in range(number):
        image = Image.new('RGB', (200, 200), color())
        draw = ImageDraw.Draw(image)
        for _ in range(rng.integers(2, 7)):
            x, y = rng.integers(0, 160, 2).tolist()
            width, height = rng.integers(15, 120, 2).tolist()
            shape = draw.ellipse if rng.integers(2) else draw.rectangle
            shape((x, y, x + width, y + height), fill=color())
        yield image


def read_digits() -> Iterator[Image.Image]:
    for values in load_digits().images:
        yield Image.fromarray((values * 255 / 16).round().astype(np.uint8)).convert('RGB')


def count_false_alarms(hashes: list[int], others: list[int]) -> int:
    """Count the pairs of different images, one of whose hashes is close to the other's."""
    values, wanted = np.array(hashes, np.uint64), np.array(others, np.uint64)
    return sum(
        int((np.bitwise_count(values[i + 1 :] ^ value) <= DISTANCE).sum())
        for i, value in enumerate(wanted)
    )


def main() -> None:
    images = dict(
        photographs=[*cut_photographs()], drawings=[*draw_shapes()], digits=[*read_digits()]
    )
    for name, originals in images.items():
        hashes = [hash_content(encode(image), name) for image in originals]
        kept = [value for value in hashes if value is not None]
        pairs = len(kept) * (len(kept) - 1) // 2
        flat = len(hashes) - len(kept)
        mirrored = [hash_content(encode(ImageOps.mirror(image)), name) for image in originals]
        both = [(a, b) for a, b in zip(hashes, mirrored, strict=True) if a is not None and b]
        more = count_false_alarms(*([*side] for side in zip(*both, strict=True)))
        false = f'{count_false_alarms(kept, kept)} false, {more} by mirrored hashes'
        print(f'{len(hashes)} {name}, {flat} flat: {false}, of {pairs} pairs')
        for copy, make in COPIES.items():
            copies = [hash_content(make(image), name) for image in originals[:300]]
            found = [
                a is not None and b is not None and (a ^ b).bit_count() <= DISTANCE
                for a, b in zip(hashes, copies, strict=False)
            ]
            print(f'  {copy:18} {sum(found):3} of {len(found)} found')
    rng = np.random.default_rng(0)
    for number in (20_000, 100_000, 1_000_000):
        zeros = np.zeros(number, int)
        for kind, few in (('random', 1 << 63), ('equal', 1), ('equal in three bands', 1 << 26)):
            values = rng.integers(0, few, number, dtype=np.uint64)
            start = time.perf_counter()
            complete = match_hashes(values, zeros, zeros, zeros - 1).complete
            seconds = time.perf_counter() - start
            print(f'{number} hashes, {kind}: {seconds:.2f} s{"" if complete else ", cut off"}')


if __name__ == '__main__':
    main()
