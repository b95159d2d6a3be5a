"""DeepMind's robust networks, RobustBench's ``DMWideResNet``.

``init_conv``, ``layer.{0-2}.block.{i}.{batchnorm_0,conv_0,batchnorm_1,conv_1,shortcut}``,
``batchnorm`` and ``logits`` (``robustbench/model_zoo/architectures/dm_wide_resnet.py``). They pad
as TensorFlow does. The activation is not told by the file: all networks of RobustBench have SiLU
(Swish), the class has ReLU by default.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from wrn.checkpoints.formats.renaming import Renaming

TITLE = "DeepMind's (RobustBench)"
ACT_CFG = dict(type='SiLU')

_RENAMING = Renaming(
    {
        'backbone.conv1': 'init_conv',
        'backbone.layer{stage}.{block}.norm1': 'layer.{group}.block.{block}.batchnorm_0',
        'backbone.layer{stage}.{block}.conv1': 'layer.{group}.block.{block}.conv_0',
        'backbone.layer{stage}.{block}.norm2': 'layer.{group}.block.{block}.batchnorm_1',
        'backbone.layer{stage}.{block}.conv2': 'layer.{group}.block.{block}.conv_1',
        'backbone.layer{stage}.{block}.downsample': 'layer.{group}.block.{block}.shortcut',
        'backbone.norm': 'batchnorm',
        'head.fc': 'logits',
    }
)
to_openmmlab, from_openmmlab = _RENAMING.to_openmmlab, _RENAMING.from_openmmlab


def recognise(state_dict: Mapping[str, Tensor]) -> bool:
    """Tell whether the keys are those of DeepMind's network."""
    return 'init_conv.weight' in state_dict and 'layer.0.block.0.conv_0.weight' in state_dict


def backbone(state_dict: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the config of the network that the format means, as far as no key or shape says."""
    return dict(type='WideResNetCIFAR', conv_cfg=dict(type='Conv2dAdaptivePadding'), act_cfg=None)


def get_normalization(num_classes: int | None) -> dict[str, list[float]]:
    """Return the mean and deviation, for pixels to 255, that the class has for its classes."""
    mean, std = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)
    if num_classes == 100:  # CIFAR-100
        mean, std = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
    return dict(mean=[255 * value for value in mean], std=[255 * value for value in std])
