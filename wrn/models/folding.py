"""Fold batch norms into the convolutions before them."""

import copy
from typing import Any

import torch
from mmcv.cnn import fuse_conv_bn
from torch import nn

from wrn.models.wide_resnet_cifar import WideResNetCIFAR


def fold_batch_norm(classifier: Any, channels_last: bool = True) -> nn.Module:
    """Make a network that computes the same with fewer steps, for inference alone.

    Batch norms become part of the convolutions before them. In the paper's own network, whose norms
    come first, these are the inner ones of a block.

    Args:
        classifier: A classifier with a ``backbone``; it is left as it is.
        channels_last: Whether weights and features lie channels last in memory, or first. Defaults
            to True.

    Returns:
        A copy in eval mode, without gradients.
    """
    folded = copy.deepcopy(classifier).eval().requires_grad_(False)
    backbone = folded.backbone
    if isinstance(backbone, WideResNetCIFAR):
        # Its first convolution and its last norm, which mmcv would take for a pair, are none.
        for name in backbone.res_layers:
            fuse_conv_bn(getattr(backbone, name))
    else:
        fuse_conv_bn(backbone)
    if hasattr(backbone, 'use_channels_last'):
        backbone.use_channels_last(channels_last)
    order = torch.channels_last if channels_last else torch.contiguous_format
    return folded.requires_grad_(False).to(memory_format=order)
