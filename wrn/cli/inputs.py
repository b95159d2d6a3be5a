"""The images that a command is given, sharded by rank under torchrun."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from glob import has_magic
from itertools import islice
from pathlib import Path

from wrn.data.images import ImageLike, LeftOut, count_images, find_images
from wrn_base.errors import WrnError, did_you_mean, some
from wrn_base.terminal import say

_BESIDE = 1000  # files to look for a similar name in


@dataclass(frozen=True)
class Shard:
    """Every ``count``-th image, starting with number ``index``.

    Attributes:
        index: The rank of this process. Defaults to 0.
        count: The number of processes. Defaults to 1.
        local_index: The rank on this machine, which is also the index of the GPU. Defaults to 0.
    """

    index: int = 0
    count: int = 1
    local_index: int = 0

    def __str__(self) -> str:
        return f'{self.index}-of-{self.count}'

    def paths(self, out: str) -> list[str]:
        """Return the output files of all processes, such as ``results.0-of-2.csv``."""
        if self.count == 1:
            return [out]
        path = Path(out)
        shards = [replace(self, index=index) for index in range(self.count)]
        return [str(path.with_suffix(f'.{shard}{path.suffix}')) for shard in shards]


def find_shard() -> Shard:
    """Return the shard of this process, by the environment variables that torchrun sets."""
    names = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK')
    if not all(name in os.environ for name in names):
        return Shard()
    return Shard(*(int(os.environ[name]) for name in names))


class InputImages:
    """The images of a shard. Iterating yields them in order.

    Args:
        inputs: As for :func:`wrn.data.images.find_images`.
        shard: The shard.

    Attributes:
        shard: The shard.
        total: The number of its images; None if it is unknown.

    Raises:
        WrnError: If none of the inputs exists. If some do, each image that is missing is reported
            in its place.
    """

    def __init__(self, inputs: Sequence[str], shard: Shard) -> None:
        _check_found(inputs)
        self.shard = shard
        self._inputs = inputs
        self._counted, self._read = LeftOut(), LeftOut()
        total = count_images(inputs, self._counted)
        self.total = None if total is None else len(range(shard.index, total, shard.count))

    def __iter__(self) -> Iterator[ImageLike]:
        images = find_images(self._inputs, self._read)
        return islice(images, self.shard.index, None, self.shard.count)

    def report_left_out(self) -> None:
        """Print in one line which files were left out; only the first process of a job does."""
        # The count from before the run, if there is one: output files may lie among the inputs.
        left_out = self._read if self.total is None else self._counted
        if left_out and self.shard.index == 0:
            say(f'{some(self._inputs)}: {left_out}')


def _check_found(inputs: Sequence[str]) -> None:
    if any('://' in name or has_magic(name) or os.path.lexists(name) for name in inputs):
        return
    folder, wanted = os.path.split(inputs[0])
    beside: list[str] = []
    with suppress(OSError), os.scandir(folder or '.') as entries:
        beside = [os.path.join(folder, entry.name) for entry in islice(entries, _BESIDE)]
    near = did_you_mean(os.path.join(folder, wanted), beside, '; check the path')
    raise WrnError(f'{some(inputs)}: no such file or folder{near}')
