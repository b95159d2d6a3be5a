"""Draw validation images by whole groups, with the share of each class as equal as they allow."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

_RESTARTS = 20
_MOST_TRIED = 1000  # groups; the split of more is close to the share at the first attempt
_MOST_SWAPS = 100_000  # pairs of groups, times classes
_MOST_PASSES = 50
_LEAST = 1e-9  # a change that is more than rounding


def draw_groups(
    labels: Sequence[int], groups: Sequence[str], share: float, seed: int
) -> list[bool]:
    """Choose groups for validation.

    The numbers of images of each class in validation are as close to the share as whole groups
    allow, by the chi-squared distance: groups are moved, and swapped if they are few, while that
    brings them closer, from several random starts. Each class keeps a group for training. A class
    of several groups gets one for validation, if that leaves every class one for training.

    Args:
        labels: The class of each image.
        groups: The group of each image.
        share: The share of the images to draw, such as 0.2.
        seed: The seed of the draw.

    Returns:
        Whether each image is drawn.
    """
    sizes: dict[str, Counter[int]] = defaultdict(Counter)
    for label, group in zip(labels, groups, strict=True):
        sizes[group][label] += 1
    names = sorted(sizes)
    rng = np.random.default_rng(seed)
    best: _Draw | None = None
    for attempt in range(_RESTARTS if len(names) <= _MOST_TRIED else 1):
        order = [names[i] for i in rng.permutation(len(names))]
        if attempt == 0:
            order.sort(key=lambda name: -sizes[name].total())
        draw = _Draw(sizes, share)
        draw.improve(order)
        draw.complete(order)
        while len(names) ** 2 * len(draw.target) <= _MOST_SWAPS and draw.swap(order):
            draw.improve(order)
        if best is None or draw.rank() < best.rank():
            best = draw
    drawn = best.drawn if best else set()
    return [group in drawn for group in groups]


class _Draw:
    """Groups that are drawn, and the numbers of their images of each class."""

    def __init__(self, sizes: Mapping[str, Counter[int]], share: float) -> None:
        self.sizes = sizes
        self.drawn: set[str] = set()
        total: Counter[int] = Counter()
        self.left: Counter[int] = Counter()  # the groups of each class that train
        for counts in sizes.values():
            total.update(counts)
            self.left.update(counts.keys())
        self.several = {label for label, number in self.left.items() if number > 1}
        self.target = {label: share * number for label, number in total.items()}
        self.number = dict.fromkeys(total, 0)

    def rank(self) -> tuple[int, float]:
        """Return the number of classes without validation that could have it, and the distance."""
        missing = sum(self.number[label] == 0 for label in self.several)
        distance = sum((self.number[c] - t) ** 2 / t for c, t in self.target.items())
        return missing, distance

    def improve(self, order: Sequence[str]) -> None:
        """Move groups in an order, again and again, while that lowers the distance."""
        for _ in range(_MOST_PASSES):
            moved = False
            for name in order:
                if self._change(name) < -_LEAST and self._is_allowed(name):
                    self._move(name)
                    moved = True
            if not moved:
                return

    def complete(self, order: Sequence[str]) -> None:
        """Draw a group of each class that has none yet, the one that costs the least."""
        for label in sorted(self.several):
            if self.number[label] == 0:
                candidates = [n for n in order if label in self.sizes[n] and self._is_allowed(n)]
                if candidates:
                    self._move(min(candidates, key=self._change))

    def swap(self, order: Sequence[str]) -> bool:
        """Swap a drawn group and another one, if that lowers the distance; return whether it did.

        A swap may free a class that only one drawn group has.
        """
        before = self.rank()
        for name, other in product(order, order):
            if name in self.drawn and other not in self.drawn:
                self._move(name)
                if self._is_allowed(other):
                    self._move(other)
                    if self.rank() < (before[0], before[1] - _LEAST):
                        return True
                    self._move(other)
                self._move(name)
        return False

    def _is_allowed(self, name: str) -> bool:
        """Return whether a move leaves each class a group to train and one to validate with."""
        if name not in self.drawn:
            return all(self.left[label] > 1 for label in self.sizes[name])
        sizes = self.sizes[name].items()
        return all(self.number[c] > size for c, size in sizes if c in self.several)

    def _change(self, name: str) -> float:
        """Return what moving a group adds to the distance."""
        sign, change = (-1 if name in self.drawn else 1), 0.0
        for label, size in self.sizes[name].items():
            off = self.number[label] - self.target[label]
            change += ((off + sign * size) ** 2 - off**2) / self.target[label]
        return change

    def _move(self, name: str) -> None:
        sign = -1 if name in self.drawn else 1
        self.drawn ^= {name}
        for label, size in self.sizes[name].items():
            self.number[label] += sign * size
            self.left[label] -= sign
