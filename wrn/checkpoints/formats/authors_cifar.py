"""The authors' CIFAR networks, as their PyTorch script saves them (``model.pt7``).

szagoruyko/wide-residual-networks, ``pytorch/resnet.py``: ``conv0``,
``group{0-2}.block{i}.{bn0,conv0,bn1,conv1,convdim}``, ``bn`` and ``fc``. The keys of convolutions
have no ``.weight``.
"""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from wrn.checkpoints.formats.checkpoint_format import Implied
from wrn.checkpoints.formats.renaming import RenamedFormat


class AuthorsCifar(RenamedFormat):
    """The format of the authors' PyTorch script. Its batch norms do not count batches."""

    name = 'authors-cifar'
    title = "the authors' for CIFAR"
    network = 'WideResNetCIFAR'
    drops = ('num_batches_tracked',)
    table: ClassVar[Mapping[str, str]] = {
        'backbone.conv1.weight': 'conv0',
        'backbone.layer{stage}.{block}.norm1': 'group{group}.block{block}.bn0',
        'backbone.layer{stage}.{block}.conv1.weight': 'group{group}.block{block}.conv0',
        'backbone.layer{stage}.{block}.norm2': 'group{group}.block{block}.bn1',
        'backbone.layer{stage}.{block}.conv2.weight': 'group{group}.block{block}.conv1',
        'backbone.layer{stage}.{block}.downsample.weight': 'group{group}.block{block}.convdim',
        'backbone.norm': 'bn',
        'head.fc': 'fc',
    }

    def recognize(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Return whether the first two convolutions have the script's names."""
        return 'conv0' in state_dict and 'group0.block0.conv0' in state_dict

    def implies(self, state_dict: Mapping[str, Tensor]) -> Implied:
        """Return the paper's network."""
        return Implied(dict(type='WideResNetCIFAR'), "as in the authors' script")
