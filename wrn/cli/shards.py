"""The part of the work that is a process's, of those that torchrun starts."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

Item = TypeVar('Item')


@dataclass(frozen=True)
class Shard:
    """Every ``count``-th item from the ``index``-th on.

    Attributes:
        index: The number of the process, from 0.
        count: The number of processes.
        local_index: The number of the process on its machine, and so of its GPU.
    """

    index: int
    count: int
    local_index: int

    def __str__(self) -> str:
        return f'{self.index}-of-{self.count}'

    def of(self, items: Iterable[Item]) -> Iterator[Item]:
        """Leave out the items that are other processes'."""
        return islice(items, self.index, None, self.count)

    def size(self, total: int | None) -> int | None:
        """Return how many of ``total`` items there are in it."""
        return None if total is None else len(range(self.index, total, self.count))

    def names(self, path: str) -> list[str]:
        """Name the files of all parts, such as ``results.0-of-2.csv``, or the only one."""
        whole = Path(path)
        parts = [replace(self, index=index) for index in range(self.count)]
        names = [str(whole.with_suffix(f'.{part}{whole.suffix}')) for part in parts]
        return [path] if self.count == 1 else names


def find_shard() -> Shard:
    """Find the part of this process, by what torchrun says in the environment."""
    names = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK')
    if not all(name in os.environ for name in names):
        return Shard(0, 1, 0)
    return Shard(*(int(os.environ[name]) for name in names))
