"""DeepMind's robust networks, RobustBench's ``DMWideResNet``.

``init_conv``, ``layer.{0-2}.block.{i}.{batchnorm_0,conv_0,batchnorm_1,conv_1,shortcut}``,
``batchnorm`` and ``logits`` (``robustbench/model_zoo/architectures/dm_wide_resnet.py``).
"""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from wrn.checkpoints.formats.checkpoint_format import Implied
from wrn.checkpoints.formats.renaming import RenamedFormat


class DeepMind(RenamedFormat):
    """The format of ``DMWideResNet``, which pads as TensorFlow does.

    The files do not state the activation. The class defaults to ReLU, but RobustBench uses SiLU
    (Swish) in all its networks of this class.
    """

    name = 'deepmind'
    title = "DeepMind's (RobustBench)"
    network = 'WideResNetCIFAR'
    table: ClassVar[Mapping[str, str]] = {
        'backbone.conv1': 'init_conv',
        'backbone.layer{stage}.{block}.norm1': 'layer.{group}.block.{block}.batchnorm_0',
        'backbone.layer{stage}.{block}.conv1': 'layer.{group}.block.{block}.conv_0',
        'backbone.layer{stage}.{block}.norm2': 'layer.{group}.block.{block}.batchnorm_1',
        'backbone.layer{stage}.{block}.conv2': 'layer.{group}.block.{block}.conv_1',
        'backbone.layer{stage}.{block}.downsample': 'layer.{group}.block.{block}.shortcut',
        'backbone.norm': 'batchnorm',
        'head.fc': 'logits',
    }

    def recognize(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Return whether the first two convolutions have DeepMind's names."""
        return 'init_conv.weight' in state_dict and 'layer.0.block.0.conv_0.weight' in state_dict

    def implies(self, state_dict: Mapping[str, Tensor]) -> Implied:
        """Return TensorFlow's padding, RobustBench's activation and the class's normalization."""
        mean, std = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)
        if len(state_dict.get('logits.weight', ())) == 100:  # CIFAR-100
            mean, std = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
        backbone = dict(
            type='WideResNetCIFAR',
            conv_cfg=dict(type='Conv2dAdaptivePadding'),
            act_cfg=dict(type='SiLU'),
        )
        normalization = dict(
            mean=[255 * value for value in mean], std=[255 * value for value in std]
        )
        return Implied(backbone, "as in RobustBench's networks with such keys", normalization)
