"""Find the weights in a checkpoint, and strip what wraps them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wrn.utils.errors import CheckpointError, some

# Where libraries put the weights that are meant for use. Other sets of weights, such as an average,
# are taken only if the caller asks for them, or if there are no others.
_USUAL_KEYS = ('', 'state_dict', 'model_state_dict', 'model', 'net', 'params')
# Added by DataParallel, by torch.compile, and by wrappers that normalise the input of a model.
_PREFIXES = ('module.', '_orig_mod.', 'model.')
_SEQUENTIAL_PREFIX = '1.'  # of nn.Sequential(normalisation, model)
_MEANS, _STDS = ('mean', 'mu', 'new_mean'), ('std', 'sigma', 'new_std')
_COUNTERS = ('n_averaged', 'steps')  # of averaged models in torch and mmengine


@dataclass
class Unwrapped:
    """The weights of a checkpoint.

    Attributes:
        state_dict: The weights, without the prefixes of wrappers.
        key: Their key in the checkpoint, such as ``'state_dict'``; empty at the top level.
        left_out: The keys of everything else in the checkpoint.
        normalization: The ``mean`` and ``std`` of the input, for RGB pixels from 0 to 255, if the
            weights include them; empty otherwise.
    """

    state_dict: dict[str, Tensor]
    key: str
    left_out: list[str]
    normalization: dict[str, list[float]]


def unwrap(checkpoint: Mapping[str, Any], name: str, key: str | None = None) -> Unwrapped:
    """Take the weights out of a checkpoint.

    Args:
        checkpoint: What :func:`wrn.checkpoints.read_checkpoint` returned.
        name: The path or name of the file, for messages.
        key: The key of the weights, such as ``'model_ema'`` or ``'ema.state_dict'``. Defaults to
            None: the usual keys of libraries.

    Raises:
        CheckpointError: If there are no weights, none under the key, or several sets to choose
            from.
    """
    found = {'.'.join(keys): (keys, weights) for keys, weights in _state_dicts(checkpoint)}
    if key is None:
        key = _choose(found, checkpoint, name)
    elif key not in found:
        known = some(found) or 'none'
        raise CheckpointError(f"{name}: there are no weights under the key '{key}', only: {known}")
    keys, weights = found[key]
    state_dict, counters, normalization = _strip(weights)
    return Unwrapped(state_dict, key, _left_out(checkpoint, keys) + counters, normalization)


def _state_dicts(
    value: Mapping[Any, Any], keys: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Mapping[Any, Any]]]:
    """Yield each dict that maps dotted names to tensors, and the keys that lead to it."""
    if any('.' in str(key) and isinstance(item, Tensor) for key, item in value.items()):
        yield keys, value
    if len(keys) < 3:
        for key, item in value.items():
            if isinstance(item, Mapping):
                yield from _state_dicts(item, (*keys, str(key)))


def _left_out(value: Mapping[Any, Any], keys: tuple[str, ...]) -> list[str]:
    """Return the keys of all that is not a tensor under these keys, except ``meta``."""
    others = []
    for depth, part in enumerate(keys):
        others += ['.'.join((*keys[:depth], str(key))) for key in value if str(key) != part]
        value = next(item for key, item in value.items() if str(key) == part)
    others += ['.'.join((*keys, str(k))) for k, v in value.items() if not isinstance(v, Tensor)]
    return [key for key in others if key != 'meta']


def _choose(found: Mapping[str, Any], checkpoint: Mapping[Any, Any], name: str) -> str:
    """Return the key of the weights that are meant for use."""
    if not found:
        raise CheckpointError(
            f'{name}: holds no weights, only {some(map(str, checkpoint)) or "nothing"}; expected '
            "a state dict, or one under the key 'state_dict'"
        )
    for usual in _USUAL_KEYS:
        inside = {k: v for k, v in found.items() if k == usual or k.startswith(f'{usual}.')}
        if inside:
            found = inside
            break
    if len(found) > 1:
        raise CheckpointError(
            f'{name}: holds several sets of weights, {some(found)}; `wrn convert {name} NAME '
            '--key KEY` takes one of them'
        )
    return next(iter(found))


def _strip(
    state_dict: Mapping[Any, Any],
) -> tuple[dict[str, Tensor], list[str], dict[str, list[float]]]:
    """Return the weights without wrappers' prefixes, their counters, and their normalisation."""
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
    prefixes = (*_PREFIXES, _SEQUENTIAL_PREFIX) if normalization else _PREFIXES
    while weights and (
        prefix := next((p for p in prefixes if all(key.startswith(p) for key in weights)), None)
    ):
        weights = {key.removeprefix(prefix): value for key, value in weights.items()}
    return weights, counters, normalization


def _statistics(weights: Mapping[str, Tensor], names: Sequence[str]) -> list[str]:
    """Return the keys of three floats, one per channel, that have one of these names."""
    return [
        key
        for key, value in weights.items()
        if key.rpartition('.')[2] in names and torch.is_floating_point(value) and value.numel() == 3
    ]
