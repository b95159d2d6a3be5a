"""Find the weights in a checkpoint, whatever they are wrapped in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wrn.utils.errors import CheckpointError, some

# Where libraries put the weights to use; what else holds weights, such as an average of them, is
# taken only when it is asked for, or alone.
_USUAL = ('', 'state_dict', 'model_state_dict', 'model', 'net', 'params')
# Of DataParallel, torch.compile, and wrappers that normalise the input of a model.
_PREFIXES = ('module.', '_orig_mod.', 'model.')
_SEQUENCE = '1.'  # Sequential(normalisation, model)
_MEANS, _STDS = ('mean', 'mu', 'new_mean'), ('std', 'sigma', 'new_std')
_COUNTERS = ('n_averaged', 'steps')  # of torch's and mmengine's averaged models


@dataclass
class Unwrapped:
    """The weights of a checkpoint.

    Attributes:
        state_dict: The weights, without the prefixes of wrappers.
        key: Where they lay in the checkpoint, such as ``'state_dict'``; empty if at its top.
        left_out: What else there was, by its key in the checkpoint.
        normalization: The ``mean`` and ``std`` of the input, for pixels from 0 to 255 in RGB, if
            the weights carried them; empty if not.
    """

    state_dict: dict[str, Tensor]
    key: str
    left_out: list[str]
    normalization: dict[str, list[float]]


def unwrap(checkpoint: Mapping[str, Any], source: str, key: str | None = None) -> Unwrapped:
    """Take the weights out of a checkpoint.

    Args:
        checkpoint: What :func:`wrn.checkpoints.read_checkpoint` returned.
        source: The name of the file, for messages.
        key: Where the weights lie in it, such as ``'model_ema'`` or ``'ema.state_dict'``.
            Defaults to None: where libraries usually put them.

    Returns:
        The weights.

    Raises:
        CheckpointError: If there are no weights in it, none under the key, or several that may be
            meant.
    """
    found = {'.'.join(path): (path, weights) for path, weights in _state_dicts(checkpoint)}
    if key is None:
        key = _choose(found, checkpoint, source)
    elif key not in found:
        keys = some(found) or 'none'
        raise CheckpointError(f"{source}: there are no weights under the key '{key}', only: {keys}")
    path, weights = found[key]
    state_dict, counters, normalization = _strip(weights)
    return Unwrapped(state_dict, key, _siblings(checkpoint, path) + counters, normalization)


def _state_dicts(
    value: Mapping, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Mapping]]:
    """Yield the path of each dict of tensors with the names of modules in their keys, and it."""
    if any('.' in str(key) and isinstance(item, Tensor) for key, item in value.items()):
        yield path, value
    if len(path) < 3:
        for key, item in value.items():
            if isinstance(item, Mapping):
                yield from _state_dicts(item, (*path, str(key)))


def _siblings(value: Mapping, path: tuple[str, ...]) -> list[str]:
    """List what lies beside the way to the weights, and among them what is no tensor."""
    beside = []
    for depth, part in enumerate(path):
        beside += ['.'.join((*path[:depth], str(key))) for key in value if str(key) != part]
        value = next(item for key, item in value.items() if str(key) == part)
    beside += ['.'.join((*path, str(k))) for k, v in value.items() if not isinstance(v, Tensor)]
    return [key for key in beside if key != 'meta']


def _choose(found: Mapping[str, Any], checkpoint: Mapping, source: str) -> str:
    if not found:
        raise CheckpointError(
            f'{source}: holds no weights, only {some(map(str, checkpoint)) or "nothing"}; expected '
            "a state dict, or one under the key 'state_dict'"
        )
    for name in _USUAL:
        if inside := [path for path in found if path == name or path.startswith(f'{name}.')]:
            found = {path: found[path] for path in inside}
            break
    if len(found) > 1:
        raise CheckpointError(
            f'{source}: holds several sets of weights, {some(found)}; `wrn convert {source} NAME '
            '--key KEY` takes one of them'
        )
    return next(iter(found))


def _strip(
    state_dict: Mapping[str, Any],
) -> tuple[dict[str, Tensor], list[str], dict[str, list[float]]]:
    """Take wrappers' prefixes, counters and normalisation off a state dict."""
    weights = {str(key): value for key, value in state_dict.items() if isinstance(value, Tensor)}
    means, stds = (_statistics(weights, names) for names in (_MEANS, _STDS))
    normalization: dict[str, list[float]] = {}
    if len(means) == len(stds) == 1:
        (mean_key,), (std_key,) = means, stds
        mean, std = (weights.pop(key).flatten().double() for key in (mean_key, std_key))
        scale = 255 if max(mean.max(), std.max()) <= 1 else 1
        normalization = dict(mean=(mean * scale).tolist(), std=(std * scale).tolist())
    counters = [key for key in weights if key.rpartition('.')[2] in _COUNTERS]
    weights = {key: value for key, value in weights.items() if key not in counters}
    prefixes: Sequence[str] = (*_PREFIXES, _SEQUENCE) if normalization else _PREFIXES
    while prefix := next((p for p in prefixes if all(key.startswith(p) for key in weights)), None):
        if not weights:
            break
        weights = {key.removeprefix(prefix): value for key, value in weights.items()}
    return weights, counters, normalization


def _statistics(weights: Mapping[str, Tensor], names: Sequence[str]) -> list[str]:
    return [
        key
        for key, value in weights.items()
        if key.rpartition('.')[2] in names and torch.is_floating_point(value) and value.numel() == 3
    ]
