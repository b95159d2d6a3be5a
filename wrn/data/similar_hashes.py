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


class Similar(NamedTuple):
    """The hashes that are close to others."""

    matches: list[Match]
    """The matches, sorted."""
    groups: list[list[int]]
    """The connected components of the hashes at most :data:`DISTANCE` bits apart: the positions of
    two or more images each, sorted. In a chain, the ends may differ in more bits."""
    complete: bool
    """Whether all hashes that share a band were compared."""


def match_hashes(
    hashes: np.ndarray,
    splits: np.ndarray,
    classes: np.ndarray,
    contents: np.ndarray,
    comparisons: int = COMPARISONS,
) -> Similar:
    """Match each hash with the closest one before it, and group all that are close.

    An image has at most two matches: the closest earlier image of another split, and the closest
    earlier image of another class. Only an image without these is matched with the closest earlier
    image of its own split and class. So there are at most ``2 * N`` matches, even if all images are
    equal. Of several closest images, the first one of the same content counts, or else the first
    one. If an earlier image of the split and class has the same hash, its matches count, and it is
    the match if it has none. The groups also have the pairs that are no matches.

    The search is exact. The 64 bits are divided into five bands. Two hashes that differ in four
    bits are equal in one of the bands at least, so only hashes that are equal in a band are
    compared. Of equal hashes in one split and class, only the first is compared.

    Args:
        hashes: The hashes, uint64 of shape ``(N,)``.
        splits: The number of the split of each, of shape ``(N,)``.
        classes: The number of the class of each, of shape ``(N,)``. A negative number is no class.
        contents: A number of the content of each, of shape ``(N,)``, equal for equal files. A
            negative number is an unknown content.
        comparisons: The most comparisons in a band. Defaults to a billion, which takes some ten
            seconds. Hashes that are closer in the order of the images are compared first.

    Returns:
        The matches and the groups.
    """
    keys = np.stack([hashes, splits.astype(np.uint64), classes.astype(np.uint64)], axis=1)
    _, firsts, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    compared = np.sort(firsts)
    own = np.searchsorted(compared, firsts[inverse.reshape(-1)])
    best, roots, complete = _find_closest(
        hashes[compared], splits[compared], classes[compared], comparisons
    )
    same_content = (
        _find_same_content(contents, splits),
        _find_same_content(np.where(classes < 0, -1, contents), classes),
    )
    matches = set()
    repeats = compared[own] != np.arange(len(hashes))
    for i in np.flatnonzero(repeats | (best[:, own] < _NONE).any(axis=0)).tolist():
        closest, *others = best[:, own[i]].tolist()
        equal = [found.get(i) for found in same_content]
        codes = [
            code for code, same in zip(others, equal, strict=True) if code < _NONE and same is None
        ]
        matches |= {Match(i, same, 0) for same in equal if same is not None}
        if not codes and equal == [None, None]:
            codes = [int(own[i])] if repeats[i] else [closest]  # an equal one has the distance 0
        matches |= {Match(i, int(compared[code & 0xFFFFFFFF]), code >> 32) for code in codes}
    return Similar(sorted(matches), _list_groups(roots[own]), complete)


def _find_closest(
    hashes: np.ndarray, splits: np.ndarray, classes: np.ndarray, comparisons: int
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return the closest earlier hash of each: of all, of other splits, and of other classes.

    It is given as ``distance << 32 | position``, of shape ``(3, N)``. The second result is the
    first position in the group of each, of shape ``(N,)``.
    """
    best = np.full((3, len(hashes)), _NONE)
    _, firsts, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    roots = firsts[inverse.reshape(-1)]  # equal ones are a group, even if not all are compared
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
            _join(roots, a, b)
            codes = distance << 32 | a
            labeled = (classes[a] >= 0) & (classes[b] >= 0)
            wanted = (True, splits[a] != splits[b], labeled & (classes[a] != classes[b]))
            for kind, chosen in enumerate(wanted):  # no image is twice in b
                best[kind, b] = np.minimum(best[kind, b], np.where(chosen, codes, _NONE))
    return best, roots, complete


def _join(roots: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """Unite the groups of pairs, in place. The root of a group is its first position."""
    while True:
        x, y = roots[a], roots[b]
        apart = x != y
        if not apart.any():
            return
        a, b, x, y = a[apart], b[apart], x[apart], y[apart]
        np.minimum.at(roots, np.maximum(x, y), np.minimum(x, y))
        while not np.array_equal(further := roots[roots], roots):
            roots[:] = further


def _list_groups(roots: np.ndarray) -> list[list[int]]:
    """Return the positions that have the same root, unless there is only one."""
    order = np.argsort(roots, kind='stable')
    bounds = np.flatnonzero(np.diff(roots[order])) + 1
    groups = (group.tolist() for group in np.split(order, bounds) if len(group) > 1)
    return sorted(groups)


def _find_same_content(contents: np.ndarray, kinds: np.ndarray) -> dict[int, int]:
    """Return the first earlier position of the same content and another kind, by position."""
    firsts: dict[int, dict[int, int]] = {}  # of the first two kinds of a content
    found = {}
    values, counts = np.unique(contents, return_counts=True)
    repeated = np.isin(contents, values[(counts > 1) & (values >= 0)])
    for i in np.flatnonzero(repeated).tolist():
        kind, seen = int(kinds[i]), firsts.setdefault(int(contents[i]), {})
        other = next((first for known, first in seen.items() if known != kind), None)
        if other is not None:
            found[i] = other
        if len(seen) < 2:
            seen.setdefault(kind, i)
    return found
