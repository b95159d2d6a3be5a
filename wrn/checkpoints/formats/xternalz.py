"""The family of xternalz/WideResNet-pytorch: TRADES, RobustBench and many more.

``conv1``, ``block{1-3}.layer.{i}.{bn1,conv1,bn2,conv2,convShortcut}``, ``bn1`` and ``fc``.
"""

from collections.abc import Mapping

from torch import Tensor

from wrn.checkpoints.formats.checkpoint_format import Implied
from wrn.checkpoints.formats.renaming import RenamedFormat

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
        if not has_unused_norms(state_dict):
            return Implied(dict(type='WideResNetCIFAR'), 'as in most files with such keys')
        backbone = dict(
            type='WideResNetCIFAR',
            activate_before_residual=[True, False, False],
            act_cfg=dict(type='LeakyReLU', negative_slope=0.1, inplace=True),
        )
        return Implied(backbone, 'as in FixMatch and MixMatch, because some norms are untrained')


def has_unused_norms(state_dict: Mapping[str, Tensor]) -> bool:
    """Return whether only the first norms of stages 2 and 3 were never trained.

    A trained network of this kind activates the input of its first block in stage 1 only. Weights
    of a norm start equal. Averaging and weight decay change all of them alike.
    """
    trained = [
        any(
            key in state_dict and bool((state_dict[key] != state_dict[key].flatten()[:1]).any())
            for key in (f'block{stage}.layer.0.bn1.{name}' for name in ('weight', 'bias'))
        )
        for stage in (1, 2, 3)
    ]
    return trained == [True, False, False]
