"""The authors' networks for CIFAR, as their PyTorch script saves them (``model.pt7``).

szagoruyko/wide-residual-networks, ``pytorch/resnet.py``: ``conv0``,
``group{0-2}.block{i}.{bn0,conv0,bn1,conv1,convdim}``, ``bn`` and ``fc``; the kernels of
convolutions have no ``.weight`` behind their names.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from wrn.checkpoints.formats.renaming import Renaming

TITLE = "the authors' for CIFAR"

_RENAMING = Renaming(
    {
        'backbone.conv1.weight': 'conv0',
        'backbone.layer{stage}.{block}.norm1': 'group{group}.block{block}.bn0',
        'backbone.layer{stage}.{block}.conv1.weight': 'group{group}.block{block}.conv0',
        'backbone.layer{stage}.{block}.norm2': 'group{group}.block{block}.bn1',
        'backbone.layer{stage}.{block}.conv2.weight': 'group{group}.block{block}.conv1',
        'backbone.layer{stage}.{block}.downsample.weight': 'group{group}.block{block}.convdim',
        'backbone.norm': 'bn',
        'head.fc': 'fc',
    }
)
to_openmmlab = _RENAMING.to_openmmlab


def recognise(state_dict: Mapping[str, Tensor]) -> bool:
    """Tell whether the keys are those of the authors' script."""
    return 'conv0' in state_dict and 'group0.block0.conv0' in state_dict


def from_openmmlab(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename OpenMMLab's keys; the authors' batch norms do not count batches."""
    return _RENAMING.from_openmmlab(
        {k: v for k, v in state_dict.items() if not k.endswith('num_batches_tracked')}
    )


def backbone(state_dict: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the config of the network that the format means, as far as no key or shape says."""
    return dict(type='WideResNetCIFAR')
