"""The order of the images and the random numbers of training, as functions of seed and position.

They have no state, so checkpoints need not save any. A resumed run draws the same random numbers as
an uninterrupted one, with any number of data workers.
"""

import math
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info
from mmpretrain.registry import DATA_SAMPLERS, DATASETS
from torch.utils.data import Dataset, Sampler

_SAMPLE, _ITERATION = 0, 1


@DATA_SAMPLERS.register_module()
class SeededBatchSampler(Sampler[list[tuple[int, tuple[int, int]]]]):
    """Batches of image indices, each index with its epoch and its position among all processes.

    An update consists of n = ``accumulative_counts`` batches, and each batch has every n-th image
    of the update. This is how DefaultSampler distributes images over n processes. So one process
    that accumulates gradients sees the same batches as n processes do, also in its batch norms.
    Like DefaultSampler, this repeats images at the end of an epoch to complete the last update.

    Args:
        sampler: The sampler of the indices of this process's images.
        batch_size: The number of images per batch.
        drop_last: Whether to drop the last update if it is incomplete. Defaults to False.
        accumulative_counts: The number of batches per update. Defaults to 1.

    Attributes:
        start: The index of the first batch. It applies to the next iteration only, and is then 0.
    """

    def __init__(
        self,
        sampler: Sampler[int],
        batch_size: int,
        drop_last: bool = False,
        accumulative_counts: int = 1,
    ) -> None:
        self.sampler: Any = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.accumulative_counts = accumulative_counts
        self.start = 0

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch."""
        images = math.ceil(len(self.sampler) / self.accumulative_counts)
        updates = images / self.batch_size
        updates = math.floor(updates) if self.drop_last else math.ceil(updates)
        return updates * self.accumulative_counts

    def __iter__(self) -> Iterator[list[tuple[int, tuple[int, int]]]]:
        """Iterate over the batches: lists of ``(index, (epoch, position))``."""
        start, self.start = self.start, 0
        rank, world_size = get_dist_info()
        epoch, counts = getattr(self.sampler, 'epoch', 0), self.accumulative_counts
        indices = list(self.sampler)
        whole = math.ceil(len(indices) / counts) * counts
        indices = (indices * math.ceil(whole / len(indices)))[:whole]
        for batch in range(start, len(self)):
            update, nth = divmod(batch, counts)
            first = update * counts * self.batch_size
            last = min(first + counts * self.batch_size, whole)
            yield [
                (indices[i], (epoch, i * world_size + rank))
                for i in range(first + nth, last, counts)
            ]


@DATASETS.register_module()
class SeededDataset(Dataset[Any]):
    """A dataset with random augmentation that depends only on the seed and an image's position.

    Args:
        dataset: The config of the dataset.
        seed: The seed of the run.
    """

    def __init__(self, dataset: dict[str, Any], seed: int) -> None:
        self.dataset = DATASETS.build(dataset)
        self.seed = seed

    def __getattr__(self, name: str) -> Any:
        """Look up attributes in the wrapped dataset, for hooks and metrics."""
        if name == 'dataset':  # not set yet while a worker process unpickles this
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.dataset)

    def __getitem__(self, item: tuple[int, tuple[int, int]]) -> Any:
        """Load an image.

        Args:
            item: ``(index, (epoch, position))``, from :class:`SeededBatchSampler`.

        Returns:
            The sample of the wrapped dataset.
        """
        index, (epoch, position) = item
        seed_generators(self.seed, _SAMPLE, epoch, position)
        return self.dataset[index]


def seed_iteration(seed: int, iteration: int, rank: int) -> None:
    """Seed the random numbers of an iteration's forward pass, such as dropout and mixup.

    Args:
        seed: The seed of the run.
        iteration: The index of the iteration in the run.
        rank: The rank of the process.
    """
    device_seed = seed_generators(seed, _ITERATION, iteration, rank)
    if torch.cuda.is_available():
        torch.cuda.manual_seed(device_seed)


def seed_generators(*key: int) -> int:
    """Seed the generators of numpy, Python and torch, which random augmentation draws from.

    Args:
        *key: What the random numbers depend on, each at least 0.

    Returns:
        The seed of torch's generator.
    """
    numpy_seed, python_seed, torch_seed = np.random.SeedSequence(key).generate_state(3).tolist()
    np.random.seed(numpy_seed)
    random.seed(python_seed)
    # torch.manual_seed would also queue a call for CUDA, which worker processes never initialize.
    torch.default_generator.manual_seed(torch_seed)
    return torch_seed
