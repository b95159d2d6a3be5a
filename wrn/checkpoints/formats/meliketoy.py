"""The networks of meliketoy/wide-resnet.pytorch and kakaobrain/fast-autoaugment.

``conv1``, ``layer{1-3}.{i}.{bn1,conv1,bn2,conv2,shortcut.0}``, ``bn1`` and ``linear``, with or
without biases in the convolutions (``networks/wide_resnet.py``).
"""

import re
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from wrn.checkpoints.formats.checkpoint_format import Implied
from wrn.checkpoints.formats.renaming import RenamedFormat

_NOT_THEIRS = re.compile(r'layer(4|\d\.\d+\.(conv3|shortcut\.1))\.')


class Meliketoy(RenamedFormat):
    """The format of both. Other networks with a stride in the first convolution have these keys."""

    name = 'meliketoy'
    title = "meliketoy's (fast-autoaugment)"
    network = 'WideResNetCIFAR'
    table: ClassVar[Mapping[str, str]] = {
        'backbone.conv1': 'conv1',
        'backbone.layer{stage}.{block}.norm1': 'layer{stage}.{block}.bn1',
        'backbone.layer{stage}.{block}.conv1': 'layer{stage}.{block}.conv1',
        'backbone.layer{stage}.{block}.norm2': 'layer{stage}.{block}.bn2',
        'backbone.layer{stage}.{block}.conv2': 'layer{stage}.{block}.conv2',
        'backbone.layer{stage}.{block}.downsample': 'layer{stage}.{block}.shortcut.0',
        'backbone.norm': 'bn1',
        'head.fc': 'linear',
    }

    def recognize(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Return whether the keys are theirs: three stages, and shortcuts without a norm."""
        theirs = 'layer2.0.shortcut.0.weight' in state_dict and 'bn1.weight' in state_dict
        return theirs and not any(_NOT_THEIRS.match(key) for key in state_dict)

    def implies(self, state_dict: Mapping[str, Tensor]) -> Implied:
        """Return strides in the second convolutions, and shortcuts from the unactivated input."""
        backbone = dict(type='WideResNetCIFAR', strided_conv='last', activate_shortcut=False)
        return Implied(backbone, 'as in meliketoy and fast-autoaugment; the keys do not show it')
