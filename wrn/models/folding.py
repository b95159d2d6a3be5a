"""Fold batch norms into the convolutions before them."""

import copy
from typing import Any

import torch
from mmcv.cnn import fuse_conv_bn
from torch import nn

from wrn.models.wide_resnet_cifar import WideResNetCIFAR


def fold_batch_norm(classifier: Any, channels_last: bool = False) -> nn.Module:
    """Return a copy of a classifier for inference, with its batch norms folded.

    Only a norm that follows a convolution can be folded. In :class:`WideResNetCIFAR` norms come
    first, so only the inner norms of each block are folded.

    Args:
        classifier: A classifier with a ``backbone``. It is not changed.
        channels_last: Whether the copy uses the channels-last memory format. Defaults to False, so
            that an exported graph records no strides.

    Returns:
        The copy, in eval mode and without gradients.
    """
    folded = copy.deepcopy(classifier).eval()
    backbone = folded.backbone
    if isinstance(backbone, WideResNetCIFAR):
        # mmcv folds a norm into the last convolution that was registered before it in the same
        # module. That would fold the last norm of the network into its first convolution.
        for name in backbone.res_layers:
            fuse_conv_bn(getattr(backbone, name))
    else:
        fuse_conv_bn(backbone)
    if hasattr(backbone, 'use_channels_last'):
        backbone.use_channels_last(channels_last)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    return folded.requires_grad_(False).to(memory_format=memory_format)
