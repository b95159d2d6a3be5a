"""Find the normalization that a wrapper of a network holds as tensors."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from wrn_base.errors import CheckpointError, some

# The names of a mean and of the std beside it.
_PAIRS = {
    'mean': 'std',
    'mu': 'sigma',
    'new_mean': 'new_std',
    '_mean': '_std',
    'image_mean': 'image_std',
    'pixel_mean': 'pixel_std',
    'means': 'stds',
}
_CHANNELS = 3
# Modules that normalize images, by name. Others, such as metrics, also have a mean and a std.
_NORMALIZES = re.compile(r'norm|preproc|transform|image|img|pixel|input|\A\d+\Z', re.I)
# Keys that speak of a normalization of images, whatever its form.
_SPEAKS = re.compile(r'normali[sz]|preproc|(image|img|pixel|input)_?(mean|std|norm)', re.I)
_LEAST_PIXEL_STD = 10  # of images from 0 to 255


class Statistics(NamedTuple):
    """The mean and the std in tensors of a wrapper.

    Attributes:
        mean: The values of the mean.
        std: The values of the std.
        keys: The keys of the two tensors.
    """

    mean: list[float]
    std: list[float]
    keys: tuple[str, str]

    def normalization(self, name: str) -> tuple[dict[str, list[float]], str]:
        """Return the normalization for pixels from 0 to 255, and a description of its origin.

        Args:
            name: The path or name of the file, for messages.

        Raises:
            CheckpointError: If the values fit neither images from 0 to 1 nor from 0 to 255.
        """
        mean, std = max(self.mean), max(self.std)
        origin = f'{self.keys[0]} and {self.keys[1]} as mean and std'
        if min(self.mean) >= 0 and max(mean, std) <= 1:
            scaled = {k: [255 * v for v in getattr(self, k)] for k in ('mean', 'std')}
            return scaled, f'{origin} of images from 0 to 1'
        if min(self.mean) >= 0 and (mean > 1 or std >= _LEAST_PIXEL_STD):
            return dict(mean=self.mean, std=self.std), f'{origin} of pixels from 0 to 255'
        raise CheckpointError(
            f'{name}: {origin} fit neither images from 0 to 1 nor from 0 to 255; give --mean and '
            '--std (in Python, data_preprocessor)'
        )


def find_statistics(
    weights: Mapping[str, Tensor], prefix: str, networks: Sequence[str]
) -> Statistics | None:
    """Find the mean and the std of a network: those in the smallest part that has one pair.

    Args:
        weights: All tensors.
        prefix: The prefix of the network.
        networks: The prefixes of all networks.
    """
    names = [name for name in prefix.split('.') if name]
    for length in range(len(names), -1, -1):
        part = ''.join(f'{name}.' for name in names[:length])
        others = [other for other in networks if other != prefix and other.startswith(part)]
        branches = {f'{part}{other.removeprefix(part).partition(".")[0]}.' for other in others}
        own = [k for k in weights if k.startswith(part) and not k.startswith(tuple(branches))]
        pairs = [
            pair
            for pair in _find_pairs(weights, own)
            if _belongs_to_images(pair[0].removeprefix(part), prefix.removeprefix(part))
        ]
        if len(pairs) == 1:
            mean, std = (weights[key].flatten().double().tolist() for key in pairs[0])
            return Statistics(mean, std, pairs[0])
    return None


def describe_others(left_out: Collection[str]) -> str:
    """Return the keys left out that may be a normalization of images; empty if there are none.

    Args:
        left_out: The keys of tensors that are no part of the network.
    """
    names = {*_PAIRS, *_PAIRS.values()}
    found = [key for key in left_out if key.rpartition('.')[2] in names or _SPEAKS.search(key)]
    return some(found) if found else ''


def _find_pairs(weights: Mapping[str, Tensor], keys: Collection[str]) -> list[tuple[str, str]]:
    """Return the keys of two tensors of one float, or of one per channel, beside each other."""
    known = {key for key in keys if _is_statistic(weights[key])}
    pairs = []
    for key in keys:
        part, dot, name = key.rpartition('.')
        if key in known and (other := f'{part}{dot}{_PAIRS.get(name)}') in known:
            pairs.append((key, other))
    return pairs


def _is_statistic(tensor: Tensor) -> bool:
    return torch.is_floating_point(tensor) and tensor.numel() in (1, _CHANNELS)


def _belongs_to_images(key: str, prefix: str) -> bool:
    """Return whether statistics stand in a wrapper or the network, or in a module for images."""
    parts = key.split('.')[:-1]
    inside = prefix.split('.')[: len(parts)]
    return parts == inside or not parts or bool(_NORMALIZES.search(parts[-1]))
