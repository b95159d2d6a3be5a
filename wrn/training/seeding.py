"""The order and the randomness of training: functions of the seed and of where the run stands.

Nothing of them is a state that a checkpoint would have to hold: a run that goes on draws what it
would have drawn, in any number of worker processes.
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
class SeededBatchSampler(Sampler):
    """Batches of the pictures of an epoch, each with where it stands among those of all processes.

    Each of the ``accumulative_counts`` batches of an update has every n-th of its pictures, as
    DefaultSampler deals them to n processes: one process that accumulates sees the batches that n
    processes see, and so do its batch norms. An epoch has whole updates; like DefaultSampler,
    this repeats pictures at its end for that.

    Args:
        sampler: Gives the indices of this process's pictures.
        batch_size: The pictures of a batch.
        drop_last: Whether to leave out the last update if it is smaller. Defaults to False.
        accumulative_counts: The batches of an update. Defaults to 1.

    Attributes:
        start: The batch of the epoch to begin with. It is that of the next epoch alone.
    """

    def __init__(
        self,
        sampler: Sampler,
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
        """Count the batches of a whole epoch."""
        pictures = math.ceil(len(self.sampler) / self.accumulative_counts)
        updates = pictures / self.batch_size
        updates = math.floor(updates) if self.drop_last else math.ceil(updates)
        return updates * self.accumulative_counts

    def __iter__(self) -> Iterator[list[tuple[int, tuple[int, int]]]]:
        """Iterate over the batches: of each picture its index, and its epoch and position."""
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
class SeededDataset(Dataset):
    """A data set whose augmentation of a picture depends on nothing but where the picture stands.

    Args:
        dataset: The config of the data set.
        seed: The seed of the run.
    """

    def __init__(self, dataset: dict[str, Any], seed: int) -> None:
        self.dataset = DATASETS.build(dataset)
        self.seed = seed

    def __getattr__(self, name: str) -> Any:
        """Look up what hooks and metrics ask of the data set."""
        if name == 'dataset':  # while it is unpickled in a worker process
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.dataset)

    def __getitem__(self, item: tuple[int, tuple[int, int]]) -> Any:
        """Load a picture.

        Args:
            item: What :class:`SeededBatchSampler` gives.

        Returns:
            What the data set gives.
        """
        index, (epoch, position) = item
        _seed(self.seed, _SAMPLE, epoch, position)
        return self.dataset[index]


def seed_iteration(seed: int, iteration: int, rank: int) -> None:
    """Seed what the network draws in an iteration, such as dropout and mixtures.

    Args:
        seed: The seed of the run.
        iteration: The number of the iteration.
        rank: That of the process.
    """
    device_seed = _seed(seed, _ITERATION, iteration, rank)
    if torch.cuda.is_available():
        torch.cuda.manual_seed(device_seed)


def _seed(*key: int) -> int:
    numpy_seed, python_seed, torch_seed = np.random.SeedSequence(key).generate_state(3).tolist()
    np.random.seed(numpy_seed)
    random.seed(python_seed)
    # torch.manual_seed would queue a call for a GPU that worker processes never initialise.
    torch.default_generator.manual_seed(torch_seed)
    return torch_seed
