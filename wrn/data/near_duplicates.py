"""Find images that look alike: copies that were encoded again, made smaller or brighter."""

import os
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from wrn.data.images import (
    EncodedImage,
    ImageLike,
    Reading,
    decode_image,
    get_content,
    prefetch,
    read_image,
)
from wrn.data.images.decoding import COLOR
from wrn.data.images.header import read_header
from wrn.data.similar_hashes import DISTANCE, Match, match_hashes
from wrn.utils.packages import require_extra
from wrn_base.errors import count

MOST = 20_000
"""The most images that :func:`find_near_duplicates` compares by default."""
_SIDE = 32  # pixels; the hash is computed from so many rows and columns
_DECODED = 128  # pixels of the shorter side; a JPEG that is decoded smaller has another hash
_LEAST = 4  # pixels of a side; random images of 3x3 pixels have equal hashes
_FLAT = 1.0  # standard deviation of the gray values; below, the hash is that of noise
_AHEAD = 8  # images that a thread may be ahead of the others, which a caller may hold as arrays


@dataclass
class NearDuplicates:
    """Images that look alike.

    Attributes:
        matches: Each image that looks like an earlier one, with the closest of these, as
            :func:`wrn.data.similar_hashes.match_hashes` chooses them.
        compared: The number of images that were compared.
        flat: The number of images that have no hash, since they have nearly one color, or a side
            of fewer than 4 pixels.
        unreadable: The number of images that could not be read.
        left_out: The number of images that were not read, since there are too many.
        complete: Whether all hashes that can be close were compared.
    """

    matches: list[Match]
    compared: int
    flat: int
    unreadable: int = 0
    left_out: int = 0
    complete: bool = True

    def describe(self) -> str:
        """Return what was compared, and what was not, in one sentence."""
        text = (
            f'{count(self.compared, "image")} compared by perceptual hashes, which differ in at '
            f'most {DISTANCE} of 64 bits for a near-duplicate'
        )
        if self.flat:
            text += (
                f'; left out: {count(self.flat, "image")} of nearly one color, or with a side of '
                f'under {_LEAST} pixels'
            )
        if self.unreadable:
            text += f'; {count(self.unreadable, "image")} cannot be read'
        if self.left_out:
            text += f'; {self.left_out} left out, evenly spread over all, so most pairs are missed'
        if not self.complete:
            text += '; so many hashes are alike that some pairs were not compared'
        return text


def check_available(user: str) -> None:
    """Check that the hashes can be computed.

    Args:
        user: What needs them, for the message, such as ``'--near'``.

    Raises:
        WrnError: If the package imagehash is not installed.
    """
    require_extra(user, 'report', 'imagehash')


def find_near_duplicates(
    images: Sequence[ImageLike],
    splits: Sequence[Hashable],
    classes: Sequence[Hashable | None],
    reading: Reading = COLOR,
    most: int = MOST,
    workers: int | None = None,
    track: Callable[[Iterable[int], int], Iterable[int]] = lambda steps, total: steps,
) -> NearDuplicates:
    """Find images that look like an earlier one.

    Put the split that others must not have images of first: training before validation and test.
    If there are more images than ``most``, every n-th one is compared, so most pairs are missed.

    Args:
        images: Paths, images in archives, or arrays of one channel order, such as ``(H, W, 3)``. An
            item is taken when it is read, so the sequence may make arrays on demand.
        splits: The split of each image.
        classes: The class of each image. None for an image without a label.
        reading: The options of the config's reading step. Defaults to color.
        most: The largest number of images to compare. Defaults to 20,000.
        workers: The number of threads that read. Defaults to None: one for each core.
        track: Shows the progress, as for :func:`wrn.data.check_folder.check_folder`. Defaults to
            showing nothing.

    Returns:
        The matches, by positions in ``images``.

    Raises:
        WrnError: If the package imagehash is not installed.
    """
    check_available('near-duplicates')
    total = min(len(images), most)
    chosen = [i * len(images) // total for i in range(total)]
    workers = workers or os.cpu_count() or 1
    hashes: list[int | None] = []
    unreadable = 0

    def read(image: ImageLike) -> tuple[int | None, bool]:
        try:
            return _hash_image(image, reading), True
        except (OSError, ValueError, KeyError, ImportError):  # also of URLs and their schemes
            return None, False

    def steps() -> Iterator[int]:
        nonlocal unreadable
        items = (images[i] for i in chosen)
        for value, is_read in prefetch(read, items, workers, _AHEAD * workers):
            hashes.append(value)
            unreadable += not is_read
            yield 1

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Pillow warns about damage that it tolerates
        for _ in track(steps(), total):
            pass
    found = compare_hashes(hashes, [splits[i] for i in chosen], [classes[i] for i in chosen])
    found.matches = [Match(chosen[i], chosen[j], distance) for i, j, distance in found.matches]
    found.flat -= unreadable
    found.unreadable, found.left_out = unreadable, len(images) - total
    return found


def compare_hashes(
    hashes: Sequence[int | None], splits: Sequence[Hashable], classes: Sequence[Hashable | None]
) -> NearDuplicates:
    """Find hashes that are like an earlier one.

    Args:
        hashes: The hashes. None for an image without one.
        splits: As for :func:`find_near_duplicates`.
        classes: As for :func:`find_near_duplicates`.

    Returns:
        The matches, by positions in ``hashes``.
    """
    hashed = [i for i, value in enumerate(hashes) if value is not None]
    values = np.array([value for value in hashes if value is not None], dtype=np.uint64)
    numbers = {name: number for number, name in enumerate(dict.fromkeys([*splits]))}
    labels = {name: number for number, name in enumerate(dict.fromkeys([*classes]))} | {None: -1}
    matches, complete = match_hashes(
        values,
        np.array([numbers[splits[i]] for i in hashed], dtype=np.int64),
        np.array([labels[classes[i]] for i in hashed], dtype=np.int64),
    )
    matches = [Match(hashed[i], hashed[j], distance) for i, j, distance in matches]
    return NearDuplicates(matches, len(hashed), len(hashes) - len(hashed), complete=complete)


def _hash_image(image: ImageLike, reading: Reading) -> int | None:
    if isinstance(image, EncodedImage) and not image.problem:
        return hash_content(image.content, image.name, reading)
    if isinstance(image, str | os.PathLike):
        return hash_content(get_content(str(image)), str(image), reading)
    return hash_pixels(read_image(image, reading))


def hash_content(content: bytes, name: str, reading: Reading = COLOR) -> int | None:
    """Return the perceptual hash of the content of an image file.

    A JPEG is decoded at 1/2 to 1/8 of its size if its shorter side keeps 128 pixels. This changes
    at most 2 bits of the hash.

    Args:
        content: The content.
        name: The name of the file, for messages.
        reading: The options of the config's reading step. Defaults to color.

    Returns:
        The hash, of 64 bits. None for an image of nearly one color, or with a side of fewer than
        4 pixels.

    Raises:
        ImageReadError: If the content cannot be read as an image.
        ValueError: If its header cannot be read.
    """
    header = read_header(content)
    side = min(map(min, header.sizes)) if header else 0
    reduction = next((n for n in (8, 4, 2) if side >= n * _DECODED), 1)
    return hash_pixels(decode_image(content, name, reading, reduction))


def hash_pixels(pixels: np.ndarray) -> int | None:
    """Return the perceptual hash of an image: imagehash's ``phash``.

    It has a bit for each of the 8x8 lowest frequencies of the gray image, which is set if the
    coefficient is above the median.

    Args:
        pixels: ``(H, W)`` or ``(H, W, C)``, BGR or RGB, from 0 to 255.

    Returns:
        The hash, of 64 bits. None for an image of nearly one color, or with a side of fewer than
        4 pixels.
    """
    import imagehash

    if min(pixels.shape[:2]) < _LEAST:
        return None
    pixels = pixels.astype(np.uint8, copy=False)
    if pixels.ndim == 3:
        color = pixels.shape[2] > 2
        pixels = cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2GRAY) if color else pixels[..., 0]
    small = Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    if np.asarray(small).std() < _FLAT:
        return None
    bits = imagehash.phash(small).hash  # which leaves the size as it is
    return int.from_bytes(np.packbits(bits).tobytes(), 'big')
