"""Find hashes that differ in few bits, without comparing all pairs."""

from itertools import count, pairwise
from typing import NamedTuple

import numpy as np

DISTANCE = 4
"""The largest distance of near-duplicates, in bits."""
_BANDS = np.linspace(0, 64, DISTANCE + 2).astype(int).tolist()  # one more than bits that differ
COMPARISONS = 1 << 30
"""The most comparisons of hashes in a band: those of 46,000 hashes that are equal in it."""
_NONE = np.iinfo(np.int64).max


class Match(NamedTuple):
    """Two images whose hashes differ in at most :data:`DISTANCE` bits."""

    image: int
    """The position of the later image."""
    earlier: int
    """The position of the earlier one."""
    distance: int
    """The number of bits in which their hashes differ."""


def match_hashes(
    hashes: np.ndarray, splits: np.ndarray, classes: np.ndarray, comparisons: int = COMPARISONS
) -> tuple[list[Match], bool]:
    """Match each hash with the closest one before it.

    An image has at most two matches: the closest earlier image of another split, and the closest
    earlier image of another class. Only an image without these is matched with the closest earlier
    image of its own split and class. So there are at most ``2 * N`` matches, even if all images are
    equal. Of several closest images, the first one counts. If an earlier image of the split and
    class has the same hash, its matches count, and it is the match if it has none.

    The search is exact. The 64 bits are divided into five bands. Two hashes that differ in four
    bits are equal in one of the bands at least, so only hashes that are equal in a band are
    compared. Of equal hashes in one split and class, only the first is compared.

    Args:
        hashes: The hashes, uint64 of shape ``(N,)``.
        splits: The number of the split of each, of shape ``(N,)``.
        classes: The number of the class of each, of shape ``(N,)``. A negative number is no class.
        comparisons: The most comparisons in a band. Defaults to a billion, which takes some ten
            seconds. Hashes that are closer in the order of the images are compared first.

    Returns:
        The matches, sorted; and whether all hashes that share a band were compared.
    """
    keys = np.stack([hashes, splits.astype(np.uint64), classes.astype(np.uint64)], axis=1)
    _, firsts, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    compared = np.sort(firsts)
    own = np.searchsorted(compared, firsts[inverse.reshape(-1)])
    best, complete = _find_closest(
        hashes[compared], splits[compared], classes[compared], comparisons
    )
    matches = set()
    repeats = compared[own] != np.arange(len(hashes))
    for i in np.flatnonzero(repeats | (best[:, own] < _NONE).any(axis=0)).tolist():
        closest, *others = best[:, own[i]].tolist()
        codes = [code for code in others if code < _NONE]
        if not codes:
            codes = [int(own[i])] if repeats[i] else [closest]  # an equal one has the distance 0
        matches |= {Match(i, int(compared[code & 0xFFFFFFFF]), code >> 32) for code in codes}
    return sorted(matches), complete


def _find_closest(
    hashes: np.ndarray, splits: np.ndarray, classes: np.ndarray, comparisons: int
) -> tuple[np.ndarray, bool]:
    """Return the closest earlier hash of each: of all, of other splits, and of other classes.

    It is given as ``distance << 32 | position``, of shape ``(3, N)``.
    """
    best = np.full((3, len(hashes)), _NONE)
    complete = True
    for low, high in pairwise(_BANDS):
        keys = hashes >> np.uint64(low) & np.uint64((1 << high - low) - 1)
        order = np.argsort(keys, kind='stable')  # equal keys stay in the order of the images
        keys = keys[order]
        left, total = np.arange(len(keys)), 0
        for step in count(1):  # compare each with the one that many places after it
            left = left[: np.searchsorted(left, len(keys) - step)]
            left = left[keys[left] == keys[left + step]]
            total += len(left)
            if not len(left) or total > comparisons:
                complete &= not len(left)
                break
            a, b = order[left], order[left + step]
            distance = np.bitwise_count(hashes[a] ^ hashes[b]).astype(np.int64)
            near = distance <= DISTANCE
            a, b, distance = a[near], b[near], distance[near]
            codes = distance << 32 | a
            labeled = (classes[a] >= 0) & (classes[b] >= 0)
            wanted = (True, splits[a] != splits[b], labeled & (classes[a] != classes[b]))
            for kind, chosen in enumerate(wanted):  # no image is twice in b
                best[kind, b] = np.minimum(best[kind, b], np.where(chosen, codes, _NONE))
    return best, complete
