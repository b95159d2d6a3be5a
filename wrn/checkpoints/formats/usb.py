"""The networks of USB (microsoft/Semi-supervised-learning) and TorchSSL: WRN-28-2, 28-8 and 37-2.

The keys are those of xternalz's family, plus biases of the convolutions. There are three variants
(USB's ``semilearn/nets/wrn/wrn.py``, TorchSSL's ``models/nets/wrn.py``):

- Early USB: the head is ``classifier``. Only the first convolution has a bias. Only the first stage
  activates the input of its first block.
- Current USB: the head is ``fc``. All convolutions have biases. Every block activates its input.
- TorchSSL: the keys of current USB, but it activates inputs as early USB does. The norms that it
  does not use keep their initial values: weights of one, biases of zero.
"""

from collections.abc import Mapping

from torch import Tensor

from wrn.checkpoints.formats.checkpoint_format import Implied
from wrn.checkpoints.formats.renaming import RenamedFormat, rename
from wrn.checkpoints.formats.unused_norms import UNUSED, find_used_norms
from wrn.checkpoints.formats.xternalz import NORM, TABLE

_EPS = 1e-3


class USB(RenamedFormat):
    """The format of early and current USB, and of TorchSSL."""

    name = 'usb'
    title = "USB's and TorchSSL's"
    network = 'WideResNetCIFAR'
    table = TABLE

    def recognize(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Return whether the keys are those of the family, with a bias in the first convolution."""
        return 'block1.layer.0.conv1.weight' in state_dict and 'conv1.bias' in state_dict

    def to_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the keys, including early USB's of the head."""
        return rename(super().to_openmmlab(state_dict), {'classifier': 'head.fc'})

    def from_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the keys, to early USB's if only the first convolution has a bias."""
        early = 'backbone.layer1.0.conv1.bias' not in state_dict
        return rename(super().from_openmmlab(state_dict), {'fc': 'classifier'} if early else {})

    def implies(self, state_dict: Mapping[str, Tensor]) -> Implied:
        """Return LeakyReLU, and the epsilons and activated inputs of the variant.

        Norms with their initial values are assumed to be unused, as in TorchSSL.
        """
        early = 'block1.layer.0.conv1.bias' not in state_dict
        untrained = find_used_norms(state_dict, NORM)[:3] == [True, False, False]
        stages = 4 if 'block4.layer.0.conv1.weight' in state_dict else 3
        first_only = [True, False, False, False][:stages]
        backbone = dict(
            type='WideResNetCIFAR',
            num_stages=stages,
            strides=(2, 2, 2, 2) if stages == 4 else (1, 2, 2),
            activate_before_residual=first_only if early or untrained else True,
            norm_cfg=dict(type='BN', momentum=1e-3, eps=1e-5 if early else _EPS),
            last_norm_cfg=dict(type='BN', momentum=1e-3, eps=_EPS),
            act_cfg=dict(type='LeakyReLU', negative_slope=0.1, inplace=True),
        )
        reason = 'as in early USB, because only the first convolution has a bias'
        if not early:
            reason = 'as in current USB, not TorchSSL, because all norms are trained'
            if untrained:
                reason = f'as in TorchSSL, {UNUSED}'
        return Implied(backbone, reason)
