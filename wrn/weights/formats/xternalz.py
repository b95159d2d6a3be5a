"""The family of xternalz/WideResNet-pytorch: TRADES, RobustBench and many more.

``conv1``, ``block{1-3}.layer.{i}.{bn1,conv1,bn2,conv2,convShortcut}``, ``bn1`` and ``fc``.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from wrn.weights.formats.renaming import Renaming

TITLE = "xternalz's (TRADES, RobustBench)"

_BLOCKS = {
    'backbone.layer{stage}.{block}.norm1': 'block{stage}.layer.{block}.bn1',
    'backbone.layer{stage}.{block}.conv1': 'block{stage}.layer.{block}.conv1',
    'backbone.layer{stage}.{block}.norm2': 'block{stage}.layer.{block}.bn2',
    'backbone.layer{stage}.{block}.conv2': 'block{stage}.layer.{block}.conv2',
    'backbone.layer{stage}.{block}.downsample': 'block{stage}.layer.{block}.convShortcut',
}
TABLE = {'backbone.conv1': 'conv1', **_BLOCKS, 'backbone.norm': 'bn1', 'head.fc': 'fc'}

_RENAMING = Renaming(TABLE)
to_openmmlab, from_openmmlab = _RENAMING.to_openmmlab, _RENAMING.from_openmmlab


def recognise(state_dict: Mapping[str, Tensor]) -> bool:
    """Tell whether the keys are those of the family, without the biases of USB's networks."""
    return 'block1.layer.0.conv1.weight' in state_dict and 'conv1.bias' not in state_dict


def backbone(state_dict: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the config of the network that the format means, as far as no key or shape says."""
    return dict(type='WideResNetCIFAR')
