"""Find images that look alike: copies that were encoded again, made smaller or brighter."""

import os
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wrn.data.images import ImageLike, Reading, prefetch
from wrn.data.images.decoding import COLOR
from wrn.data.perceptual_hash import LEAST, hash_image
from wrn.data.similar_hashes import Match, match_hashes
from wrn.utils.packages import require_extra
from wrn_base.errors import count

MOST = 20_000
"""The most images that :func:`find_near_duplicates` compares by default."""
_AHEAD = 8  # images that a thread may be ahead of the others, which a caller may hold as arrays


@dataclass
class NearDuplicates:
    """Images that look alike.

    Attributes:
        matches: Each image that looks like an earlier one, with the closest of these, as
            :func:`wrn.data.similar_hashes.match_hashes` chooses them.
        groups: The groups of images that look alike: the positions of two or more images each,
            sorted. Each image looks like another of its group, but not always like all, since
            groups that share an image are one. Equal images are one group, whatever their number.
        compared: The number of images that were compared.
        flat: The number of images that have no hash, since they have nearly one color, or a side
            of fewer than 4 pixels.
        unreadable: The number of images that could not be read.
        left_out: The number of images that were not read, since there are too many.
        complete: Whether all hashes that can be close were compared.
    """

    matches: list[Match]
    groups: list[list[int]]
    compared: int
    flat: int
    unreadable: int = 0
    left_out: int = 0
    complete: bool = True

    def describe(self) -> str:
        """Return what was compared, what this finds, and what was left out, in one sentence."""
        text = (
            f'{count(self.compared, "image")} compared by perceptual hashes, which find most '
            'copies in another size, file format or quality, but miss mirrored, rotated and most '
            'cropped ones'
        )
        if self.flat:
            text += (
                f'; left out: {count(self.flat, "image")} of nearly one color, or with a side of '
                f'under {LEAST} pixels'
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
        The matches and groups, by positions in ``images``.

    Raises:
        WrnError: If the package imagehash is not installed.
    """
    check_available('near-duplicates')
    total = min(len(images), most)
    chosen = [i * len(images) // total for i in range(total)]
    workers = workers or os.cpu_count() or 1
    hashes: list[int | None] = []
    contents: list[bytes] = []
    unreadable = 0

    def read(image: ImageLike) -> tuple[int | None, bytes, bool]:
        try:
            return *hash_image(image, reading), True
        except (OSError, ValueError, KeyError, ImportError):  # also of URLs and their schemes
            return None, b'', False

    def steps() -> Iterator[int]:
        nonlocal unreadable
        items = (images[i] for i in chosen)
        for value, content, is_read in prefetch(read, items, workers, _AHEAD * workers):
            hashes.append(value)
            contents.append(content)
            unreadable += not is_read
            yield 1

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Pillow warns about damage that it tolerates
        for _ in track(steps(), total):
            pass
    found = compare_hashes(
        hashes, [splits[i] for i in chosen], [classes[i] for i in chosen], contents
    )
    found.matches = [Match(chosen[i], chosen[j], distance) for i, j, distance in found.matches]
    found.groups = [[chosen[i] for i in group] for group in found.groups]
    found.flat -= unreadable
    found.unreadable, found.left_out = unreadable, len(images) - total
    return found


def compare_hashes(
    hashes: Sequence[int | None],
    splits: Sequence[Hashable],
    classes: Sequence[Hashable | None],
    contents: Sequence[Hashable],
) -> NearDuplicates:
    """Find hashes that are like an earlier one.

    Args:
        hashes: The hashes. None for an image without one.
        splits: As for :func:`find_near_duplicates`.
        classes: As for :func:`find_near_duplicates`.
        contents: What is equal for equal files, such as a digest. A value that is false, such as
            ``b''``, is unknown.

    Returns:
        The matches and groups, by positions in ``hashes``.
    """
    hashed = [i for i, value in enumerate(hashes) if value is not None]
    values = np.array([value for value in hashes if value is not None], dtype=np.uint64)
    found = match_hashes(
        values,
        _number([splits[i] for i in hashed]),
        _number([classes[i] for i in hashed]),
        _number([contents[i] or None for i in hashed]),
    )
    matches = [Match(hashed[i], hashed[j], distance) for i, j, distance in found.matches]
    groups = [[hashed[i] for i in group] for group in found.groups]
    flat = len(hashes) - len(hashed)
    return NearDuplicates(matches, groups, len(hashed), flat, complete=found.complete)


def _number(names: Sequence[Hashable | None]) -> np.ndarray:
    """Number names from 0. None is -1."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))} | {None: -1}
    return np.array([numbers[name] for name in names], dtype=np.int64)
