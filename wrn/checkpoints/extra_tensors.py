"""Tell the tensors of a classifier from others in its file, which may show another network."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor

from wrn.checkpoints.weights import Weights
from wrn_base.errors import CheckpointError, some

_PARTS = ('backbone.', 'neck.', 'head.', 'data_preprocessor.')  # of mmpretrain's classifiers
_ACTIVATION = re.compile(r'p?relu|act(ivation)?\d*\.')
_HEADS = ('fc', 'linear', 'classifier', 'head', 'logits')  # other names of head.fc


def check_modules(weights: Weights, renamed: Collection[str], name: str) -> None:
    """Check that no tensor is left in the modules of the network, and no activation has one.

    Args:
        weights: The weights.
        renamed: The keys that belong to the network, as they were in the file.
        name: The path or name of the file, for messages.

    Raises:
        CheckpointError: If one is left. The network then computes something else.
    """
    modules = {key.partition('.')[0] for key in renamed} - {*_HEADS}
    learned = [
        key
        for key in weights.state_dict
        if not key.startswith(_PARTS)
        and (key.partition('.')[0] in modules or _ACTIVATION.match(key))
    ]
    if learned:
        raise CheckpointError(
            f'{name}: unsupported network: it has {some(learned)}, which no network here has; run '
            'it with the code that it was trained with'
        )


def separate(weights: Weights, wrapped: Mapping[Any, Any]) -> None:
    """Move tensors that are no part of a classifier to those left out, except for its head.

    Args:
        weights: The weights, which are changed.
        wrapped: The tensors of the file. A head may stand beside a part named ``backbone``.
    """
    state_dict = weights.state_dict
    others = {key: value for key, value in state_dict.items() if not key.startswith(_PARTS)}
    for key in others:
        del state_dict[key]
    if 'head.fc.weight' not in state_dict:
        found = {**_beside_backbone(weights.prefix, wrapped), **others}
        heads = [h for h in _HEADS if getattr(found.get(f'{h}.weight'), 'ndim', 0) == 2]
        for part in ('weight', 'bias') if len(heads) == 1 else ():
            key = f'{heads[0]}.{part}'
            if key in found:
                state_dict[f'head.fc.{part}'] = found[key]
                others.pop(key, None)
                full = weights.prefix.removesuffix('backbone.') + key
                weights.left_out = [left for left in weights.left_out if left != full]
                weights.assumptions.append(f'{key} as that of the head')
    weights.left_out += others
    if others:
        weights.assumptions.append(f'a network without {some(others)}')


def _beside_backbone(prefix: str, wrapped: Mapping[Any, Any]) -> dict[str, Tensor]:
    """Return the tensors beside a network that is the part ``backbone`` of a larger one."""
    outer = prefix.removesuffix('backbone.')
    if outer == prefix:
        return {}
    return {
        str(key).removeprefix(outer): value
        for key, value in wrapped.items()
        if str(key).startswith(outer) and isinstance(value, Tensor)
    }
