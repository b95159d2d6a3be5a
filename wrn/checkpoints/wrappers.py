"""Take the parts of wrappers off a state dict: prefixes, counters, pruning masks."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from wrn.checkpoints.formats import recognize
from wrn.checkpoints.formats.checkpoint_format import CheckpointFormat
from wrn.checkpoints.formats.refused import rejection_reason
from wrn.checkpoints.wrapper_normalization import (
    Statistics,
    describe_others,
    find_statistics,
)
from wrn_base.errors import CheckpointError, some

_COUNTERS = ('n_averaged', 'steps')  # of averaged models in torch and mmengine
# Parts that inference does not use: an extra stage in RobustBench's networks, and the head for
# rotations in TorchSSL's ReMixMatch.
_UNUSED = ('sub_block1.', 'rot_classifier.')
_PARAMETER, _MASK = '_orig', '_mask'  # of torch.nn.utils.prune
_MOST_NESTED = 8  # names before the keys of a network
_MOST_PREFIXES = 64  # parts of a model to search for a network at each level


class Unwrapped(NamedTuple):
    """A state dict without the parts of wrappers.

    Attributes:
        state_dict: The weights.
        prefix: What was before each key, such as ``'module.'``.
        left_out: The keys that are not weights of the network.
        statistics: The mean and the std of the wrapper's normalization; None if it has none.
        unused_statistics: A description of others, which may not be those of images; empty if
            there are none.
        pruned: The number of weights that masks were applied to.
    """

    state_dict: dict[str, Tensor]
    prefix: str
    left_out: list[str]
    statistics: Statistics | None
    unused_statistics: str
    pruned: int


def unwrap(state_dict: Mapping[Any, Any], name: str, prefix: str | None = None) -> Unwrapped:
    """Take the parts of wrappers off a state dict.

    Args:
        state_dict: The state dict. Values that are not tensors are ignored.
        name: The path or name of the file, for messages.
        prefix: The beginning of the keys of the network. Defaults to None: the only one with known
            keys behind it.

    Raises:
        CheckpointError: If no key has the prefix, or several prefixes have known keys behind them.
    """
    tensors = {str(key): value for key, value in state_dict.items() if isinstance(value, Tensor)}
    weights, pruned = _apply_masks(tensors)
    networks = _find_networks(weights)
    if prefix is None:
        if any(not _same(weights, networks[0], other) for other in networks[1:]):
            raise CheckpointError(
                f'{name}: holds several networks, under the prefixes {some(map(repr, networks))}; '
                f'choose one with --prefix (in Python, prefix={networks[0]!r})'
            )
        prefix = networks[0] if networks else ''
    else:
        prefix = _complete(prefix, weights, name)
    statistics = find_statistics(weights, prefix, networks)
    for key in statistics.keys if statistics else ():
        del weights[key]
    inner = _below(weights, prefix)
    others = (*(n.removeprefix(prefix) for n in networks if n.startswith(prefix) and n != prefix),)
    unused = [
        key
        for key in inner
        if key.rpartition('.')[2] in _COUNTERS or key.startswith((*_UNUSED, *others))
    ]
    left_out = [key for key in weights if not key.startswith(prefix)]
    inner = {key: value for key, value in inner.items() if key not in unused}
    return Unwrapped(
        inner,
        prefix,
        left_out + unused,
        statistics,
        '' if statistics else describe_others(left_out),
        sum(f'{prefix}{key}' in pruned for key in inner),
    )


def _same(weights: Mapping[str, Tensor], one: str, other: str) -> bool:
    """Return whether two networks are copies, as in wrappers that hold a network twice."""
    first, second = _below(weights, one), _below(weights, other)
    try:
        return first.keys() == second.keys() and all(
            first[key].shape == second[key].shape and torch.equal(first[key], second[key])
            for key in first
        )
    except RuntimeError:  # sparse tensors, or tensors of types that torch does not compare
        return False


def _find_networks(weights: Mapping[str, Tensor]) -> list[str]:
    """Return each prefix with known keys behind it, and those one name below a network."""
    found: list[str] = []
    level = ['']
    for _ in range(_MOST_NESTED):
        here = [prefix for prefix in level if _is_known(_below(weights, prefix))]
        for prefix in here:
            found.append(prefix)
            if recognize(_below(weights, prefix)):
                parts = _first_parts(weights, prefix)[:_MOST_PREFIXES]
                others = (part for part in parts if part != f'{prefix}backbone.')
                found += [part for part in others if recognize(_below(weights, part))]
        others = (prefix for prefix in level if prefix not in here)
        level = [part for prefix in others for part in _first_parts(weights, prefix)]
        level = level[:_MOST_PREFIXES]
    return found


def _complete(prefix: str, weights: Mapping[str, Tensor], name: str) -> str:
    """Return a prefix that the caller gave, up to the keys of its network."""
    if not prefix.endswith('.') and any(key.startswith(f'{prefix}.') for key in weights):
        prefix += '.'
    below = _below(weights, prefix)
    if not below:
        networks = _find_networks(weights)
        cure = f'give {some(map(repr, networks))}' if any(networks) else 'give no prefix'
        raise CheckpointError(f'{name}: no key begins with the prefix {prefix!r}; {cure}')
    networks = _find_networks(below)
    return prefix + networks[0] if len(networks) == 1 else prefix


def _is_known(weights: Mapping[str, Tensor]) -> bool:
    return bool(weights) and bool(_recognize(weights) or rejection_reason(weights))


def _recognize(weights: Mapping[str, Tensor]) -> CheckpointFormat | None:
    """Return the format; None also for keys of other formats in a part named ``backbone``."""
    form, inner = recognize(weights), _below(weights, 'backbone.')
    if form is None or not inner:
        return form
    other = recognize(inner)
    if other is None:
        parts = _first_parts(inner, '')[:_MOST_PREFIXES]
        return None if any(recognize(_below(inner, part)) for part in parts) else form
    # The keys of torchvision's backbone are OpenMMLab's, but OpenMMLab's has no head inside.
    same = other.name == 'torchvision' and not any(key.startswith('fc.') for key in inner)
    return form if same or other.name == form.name else None


def _below(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)
    }


def _first_parts(keys: Collection[str], prefix: str) -> list[str]:
    """Return the prefixes that are longer by one name, in the order of the keys."""
    rests = (key.removeprefix(prefix) for key in keys if key.startswith(prefix))
    return list(
        dict.fromkeys(f'{prefix}{rest.partition(".")[0]}.' for rest in rests if '.' in rest)
    )


def _apply_masks(weights: dict[str, Tensor]) -> tuple[dict[str, Tensor], set[str]]:
    """Multiply pruned weights by their masks. Return all weights, and the keys of the pruned."""
    masks = {
        key: f'{key.removesuffix(_PARAMETER)}{_MASK}' for key in weights if key.endswith(_PARAMETER)
    }
    masks = {
        key: mask
        for key, mask in masks.items()
        if mask in weights
        and weights[mask].shape == weights[key].shape
        and weights[key].is_floating_point()
        and weights[key].layout == weights[mask].layout == torch.strided
    }
    applied = {
        key.removesuffix(_PARAMETER) if key in masks else key: (
            value * weights[masks[key]].to(value.dtype) if key in masks else value
        )
        for key, value in weights.items()
        if key not in masks.values()
    }
    return applied, {key.removesuffix(_PARAMETER) for key in masks}
