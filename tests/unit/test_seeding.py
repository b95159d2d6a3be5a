"""Order and random numbers of training depend only on the seed and the position in the run."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import DefaultSampler
from mmpretrain.datasets import RepeatAugSampler

from wrn.training import seeding
from wrn.training.seeding import SeededBatchSampler, SeededDataset, seed_iteration


def batches(monkeypatch, make, rank, world_size, batch_size, counts=1, **kwargs):
    """Return the batches of an epoch for one of several processes."""
    with monkeypatch.context() as patch:
        for module in ('mmengine.dataset.sampler', 'mmpretrain.datasets.samplers.repeat_aug'):
            patch.setattr(f'{module}.get_dist_info', lambda: (rank, world_size))
        patch.setattr(seeding, 'get_dist_info', lambda: (rank, world_size))
        sampler = make()
        sampler.set_epoch(3)
        return list(
            SeededBatchSampler(sampler, batch_size, accumulative_counts=counts, **kwargs)
        )  # fmt: skip


@pytest.mark.parametrize('kind', [DefaultSampler, RepeatAugSampler])
@pytest.mark.parametrize('drop_last', [False, True])
@given(size=st.integers(1, 60), batch_size=st.integers(1, 5))
def test_one_process_with_accumulation_sees_the_batches_of_eight(kind, drop_last, size, batch_size):
    if kind is RepeatAugSampler:
        size *= 8  # for other sizes it repeats different images at the end of an epoch

    def read(rank, world_size, counts):
        with pytest.MonkeyPatch.context() as monkeypatch:
            return batches(
                monkeypatch, lambda: kind(range(size), seed=5), rank, world_size, batch_size,
                counts, drop_last=drop_last,
            )  # fmt: skip

    eight = [read(rank, 8, 1) for rank in range(8)]
    one = read(0, 1, 8)
    assert [batch for update in zip(*eight, strict=True) for batch in update] == one
    if size % 8 == 0:
        two = [read(rank, 2, 4) for rank in range(2)]
        assert [two[i % 2][i // 2] for i in range(len(one))] == one


@given(
    size=st.integers(1, 50), batch_size=st.integers(1, 5), counts=st.integers(1, 4),
    drop_last=st.booleans(), start=st.integers(0, 60),
)  # fmt: skip
def test_an_epoch_has_each_image_and_can_start_within(size, batch_size, counts, drop_last, start):
    sampler = SeededBatchSampler(
        DefaultSampler(range(size), seed=1), batch_size, drop_last, counts
    )  # fmt: skip
    whole = list(sampler)
    assert len(whole) == len(sampler)
    assert len(whole) % counts == 0
    indices = [index for batch in whole for index, _ in batch]
    if drop_last:
        assert len(indices) == -(-size // counts) // batch_size * batch_size * counts
    else:
        assert set(indices) == set(range(size))
        assert len(indices) - size < counts  # repeated to complete the last update
    sampler.start = start
    assert list(sampler) == whole[start:]
    assert list(sampler) == whole  # the next epoch


class Draws:
    """A dataset of random numbers."""

    metainfo = 'metainfo'

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return index, random.random(), np.random.rand(), torch.rand(()).item()


def test_random_numbers_of_an_image_depend_on_its_position(monkeypatch):
    monkeypatch.setattr(seeding.DATASETS, 'build', lambda cfg: cfg)
    dataset = SeededDataset(Draws(), seed=7)
    first = dataset[4, (0, 2)]
    others = [dataset[4, (0, 3)], dataset[4, (1, 2)], SeededDataset(Draws(), seed=8)[4, (0, 2)]]
    assert dataset[4, (0, 2)] == first
    values = [set(sample[1:]) for sample in (first, *others)]
    assert len(set.union(*values)) == 12
    assert dataset.metainfo == Draws.metainfo
    assert len(dataset) == 10


def test_random_numbers_of_an_iteration_depend_on_the_rank():
    def draw(*key):
        seed_iteration(*key)
        return torch.rand(()).item()

    assert draw(1, 2, 0) == draw(1, 2, 0)
    assert len({draw(1, 2, 0), draw(1, 2, 1), draw(1, 3, 0), draw(2, 2, 0)}) == 4
