"""torchvision's and timm's state dicts: ``conv1``, ``layer1.0.conv1``, ``fc``."""

import re
from collections.abc import Mapping

from torch import Tensor

from wrn.checkpoints.formats.checkpoint_format import CheckpointFormat, Implied, Target

_OURS = re.compile(r'^(?:(?:conv|bn|gn)1|layer\d|fc)\.')
_BLOCK = re.compile(r'layer\d\.\d+\.(?:conv\d|bn\d|downsample\.[01])\.')


class Torchvision(CheckpointFormat):
    """The format of ``ResNet`` in torchvision and timm."""

    name = 'torchvision'
    title = "torchvision's and timm's"
    network = 'WideResNet'

    def recognize(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Return whether most keys are those of ``ResNet``, leaving out those below a prefix."""
        if any('.shortcut.' in key for key in state_dict):  # meliketoy's
            return False
        known = sum(bool(_BLOCK.match(key)) for key in state_dict)
        return known > sum(not _BLOCK.search(key) for key in state_dict)

    def to_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Add a prefix to each key. Rename group norms, which have no running statistics."""
        norms = any(key.endswith('.running_mean') for key in state_dict)
        renamed = state_dict if norms else _rename_norms(state_dict, 'bn', 'gn')
        return {
            _OURS.sub(
                lambda part: f'{"head" if part[0] == "fc." else "backbone"}.{part[0]}', key
            ): v
            for key, v in renamed.items()
        }

    def from_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Remove the prefix from each key, and give all norms the same names."""
        return {
            key.removeprefix('backbone.').removeprefix('head.'): value
            for key, value in _rename_norms(state_dict, 'gn', 'bn').items()
        }

    def implies(self, state_dict: Mapping[str, Tensor]) -> Implied:
        """Return the networks of these libraries."""
        return Implied(dict(type='WideResNet'), 'as in torchvision and timm')

    def targets(self) -> dict[str, Target]:
        """Return one target per library, with its usual suffix."""
        suffixes = {'torchvision': '.pth', 'timm': '.safetensors'}
        return {name: Target(self, suffix, self.network) for name, suffix in suffixes.items()}


def _rename_norms(state_dict: Mapping[str, Tensor], old: str, new: str) -> dict[str, Tensor]:
    """Rename the numbered norms, such as ``bn1``, which OpenMMLab names after their type."""
    norm = re.compile(rf'\b{old}(\d\.\w+)$')
    return {norm.sub(rf'{new}\1', key): value for key, value in state_dict.items()}
