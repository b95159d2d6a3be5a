"""The networks of davda54/sam (``example/model/wide_res_net.py``).

``f.0_convolution``, ``f.{1-3}_block.block.{i}``, ``f.4_normalization`` and ``f.8_classification``.
The first block of a stage has other names than the other blocks.
"""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from wrn.checkpoints.formats.checkpoint_format import Implied
from wrn.checkpoints.formats.renaming import RenamedFormat

_FIRST, _OTHER = 'f.{stage}_block.block.0', 'f.{stage}_block.block.{block}.block'


class SAM(RenamedFormat):
    """The format of the repository, whose stages have a block more than the depth says."""

    name = 'sam'
    title = "SAM's (davda54/sam)"
    network = 'WideResNetCIFAR'
    table: ClassVar[Mapping[str, str]] = {
        'backbone.conv1': 'f.0_convolution',
        'backbone.layer{stage}.0.norm1': f'{_FIRST}.norm_act.0_normalization',
        'backbone.layer{stage}.0.conv1': f'{_FIRST}.block.0_convolution',
        'backbone.layer{stage}.0.norm2': f'{_FIRST}.block.1_normalization',
        'backbone.layer{stage}.0.conv2': f'{_FIRST}.block.4_convolution',
        'backbone.layer{stage}.0.downsample': f'{_FIRST}.downsample',
        'backbone.layer{stage}.{block}.norm1': f'{_OTHER}.0_normalization',
        'backbone.layer{stage}.{block}.conv1': f'{_OTHER}.2_convolution',
        'backbone.layer{stage}.{block}.norm2': f'{_OTHER}.3_normalization',
        'backbone.layer{stage}.{block}.conv2': f'{_OTHER}.6_convolution',
        'backbone.norm': 'f.4_normalization',
        'head.fc': 'f.8_classification',
    }

    def recognize(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Return whether the first two convolutions have the names of the repository."""
        return {'f.0_convolution.weight', 'f.1_block.block.0.block.0_convolution.weight'} <= {
            *state_dict
        }

    def implies(self, state_dict: Mapping[str, Tensor]) -> Implied:
        """Return the paper's network."""
        return Implied(dict(type='WideResNetCIFAR'), 'as in davda54/sam')
