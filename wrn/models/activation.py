"""The activations of the networks."""

from typing import Any

from mmcv.cnn import build_activation_layer
from torch import nn


def build_activation(act_cfg: dict[str, Any] | None) -> nn.Module:
    """Build an activation that does not change its input in place.

    In place it would break full backward hooks, and change what forward hooks on the norm before it
    have seen. In training it would save no memory that lasts, since the network keeps the output
    of an activation and not the input.

    Args:
        act_cfg: Config of the activation. Its ``inplace`` has no effect. None is no activation.

    Returns:
        The activation.
    """
    if act_cfg is None:
        return nn.Identity()
    return build_activation_layer({key: act_cfg[key] for key in act_cfg if key != 'inplace'})
