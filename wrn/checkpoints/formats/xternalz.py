"""The family of xternalz/WideResNet-pytorch: TRADES, RobustBench and many more.

``conv1``, ``block{1-3}.layer.{i}.{bn1,conv1,bn2,conv2,convShortcut}``, ``bn1`` and ``fc``.
"""

from collections.abc import Mapping

from torch import Tensor

from wrn.checkpoints.formats.checkpoint_format import Implied
from wrn.checkpoints.formats.renaming import RenamedFormat
from wrn.checkpoints.formats.unused_norms import UNUSED, find_used_norms

TABLE = {
    'backbone.conv1': 'conv1',
    'backbone.layer{stage}.{block}.norm1': 'block{stage}.layer.{block}.bn1',
    'backbone.layer{stage}.{block}.conv1': 'block{stage}.layer.{block}.conv1',
    'backbone.layer{stage}.{block}.norm2': 'block{stage}.layer.{block}.bn2',
    'backbone.layer{stage}.{block}.conv2': 'block{stage}.layer.{block}.conv2',
    'backbone.layer{stage}.{block}.downsample': 'block{stage}.layer.{block}.convShortcut',
    'backbone.norm': 'bn1',
    'head.fc': 'fc',
}
NORM = 'block{}.layer.0.bn1'  # of a stage, as find_used_norms takes it


class Xternalz(RenamedFormat):
    """The format of the family, and of FixMatch's networks (kekmodel/FixMatch-pytorch)."""

    name = 'xternalz'
    title = "xternalz's (TRADES, RobustBench)"
    network = 'WideResNetCIFAR'
    table = TABLE

    def recognize(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Return whether the keys are those of the family, without USB's biases."""
        return 'block1.layer.0.conv1.weight' in state_dict and 'conv1.bias' not in state_dict

    def implies(self, state_dict: Mapping[str, Tensor]) -> Implied:
        """Return the paper's network, or FixMatch's and MixMatch's if it has untrained norms."""
        if find_used_norms(state_dict, NORM) != [True, False, False]:
            return Implied(dict(type='WideResNetCIFAR'), 'as in most files with such keys')
        backbone = dict(
            type='WideResNetCIFAR',
            activate_before_residual=[True, False, False],
            act_cfg=dict(type='LeakyReLU', negative_slope=0.1, inplace=True),
        )
        return Implied(backbone, f'as in FixMatch and MixMatch, {UNUSED}')
