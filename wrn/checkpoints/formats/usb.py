"""The networks of USB (microsoft/Semi-supervised-learning) and TorchSSL: WRN-28-2, 28-8 and 37-2.

The keys are those of xternalz's family, beside biases of the convolutions. What the keys mean has
changed in USB (``semilearn/nets/wrn/wrn.py``):

- At first the head was called ``classifier``, the first convolution alone had a bias, and only the
  first stage activated the input of its first block.
- Now the head is ``fc``, all convolutions have biases, and every block activates its input.
- TorchSSL (``models/nets/wrn.py``) has the keys of now and computes as at first. Then the norms
  that are left out were never trained: their weights still are ones, and their biases zeros.
"""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor

from wrn.checkpoints.formats import xternalz
from wrn.checkpoints.formats.renaming import Renaming

TITLE = "USB's and TorchSSL's"

_EPS = 1e-3
_NOW = Renaming(xternalz.TABLE)
_EARLY = Renaming({**xternalz.TABLE, 'head.fc': 'classifier'})


def recognise(state_dict: Mapping[str, Tensor]) -> bool:
    """Tell whether the keys are those of the family, with a bias in the first convolution."""
    return 'block1.layer.0.conv1.weight' in state_dict and 'conv1.bias' in state_dict


def to_openmmlab(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys to OpenMMLab's."""
    return (_EARLY if 'classifier.weight' in state_dict else _NOW).to_openmmlab(state_dict)


def from_openmmlab(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename OpenMMLab's keys."""
    early = 'backbone.layer1.0.conv1.bias' not in state_dict
    return (_EARLY if early else _NOW).from_openmmlab(state_dict)


def find_variant(state_dict: Mapping[str, Tensor]) -> Literal['early', 'now', 'TorchSSL']:
    """Tell which of the networks a state dict is of; of the last two it may be a guess."""
    if 'block1.layer.0.conv1.bias' not in state_dict:
        return 'early'
    return 'TorchSSL' if xternalz.leaves_out_norms(state_dict) else 'now'


def backbone(state_dict: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the config of the network that the format means, as far as no key or shape says."""
    four = 'block4.layer.0.conv1.weight' in state_dict
    variant = find_variant(state_dict)
    early = variant == 'early'
    activated = True if variant == 'now' else [True, False, False, False][: 4 if four else 3]
    return dict(
        type='WideResNetCIFAR',
        num_stages=4 if four else 3,
        strides=(2, 2, 2, 2) if four else (1, 2, 2),
        activate_before_residual=activated,
        norm_cfg=dict(type='BN', momentum=1e-3, eps=1e-5 if early else _EPS),
        last_norm_cfg=dict(type='BN', momentum=1e-3, eps=_EPS),
        act_cfg=dict(type='LeakyReLU', negative_slope=0.1, inplace=True),
    )
