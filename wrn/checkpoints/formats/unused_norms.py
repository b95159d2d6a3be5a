"""Norms that a network never used, from which the order of its first blocks is inferred."""

from collections.abc import Mapping

import torch
from torch import Tensor

UNUSED = 'because some norms are untrained'
_STAGES = 9


def find_used_norms(
    state_dict: Mapping[str, Tensor], norm: str = 'backbone.layer{}.0.norm1'
) -> list[bool]:
    """Return for each stage whether the first norm of its first block was trained.

    A block that does not activate its input does not train its first norm, although some networks
    compute it and its statistics. The weights of a norm start equal for all channels. Averaging and
    weight decay change all of them alike.

    Args:
        state_dict: The weights.
        norm: The name of the norm in stage ``{}``, which ends in 1. That of the block's second norm
            ends in 2. Defaults to OpenMMLab's.

    Returns:
        True for a stage whose second norm is untrained, too: such a network shows nothing.
    """
    names = [norm.format(stage + 1) for stage in range(_STAGES)]
    return [
        _is_trained(state_dict, name) or not _is_trained(state_dict, f'{name[:-1]}2')
        for name in names
        if f'{name}.weight' in state_dict
    ]


def _is_trained(state_dict: Mapping[str, Tensor], norm: str) -> bool:
    values = (state_dict.get(f'{norm}.{name}') for name in ('weight', 'bias'))
    # Others are refused where the weights are compared with the network.
    dense = (v for v in values if v is not None and v.layout == torch.strided and not v.is_meta)
    return any(bool((value != value.flatten()[:1]).any()) for value in dense)
