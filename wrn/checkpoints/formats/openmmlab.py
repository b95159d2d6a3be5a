"""OpenMMLab's state dicts, of mmpretrain and of its predecessor mmcls; also this package's own."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from wrn.checkpoints.formats.checkpoint_format import CheckpointFormat, Target
from wrn_base.errors import WrnError

# The keys of WideResNetCIFAR alone. Those of WideResNet are torchvision's.
_BARE, _PARTS = 'layer1.0.norm1.weight', ('conv1.', 'layer', 'norm.')


class OpenMMLab(CheckpointFormat):
    """The format of mmpretrain. ``openmmlab-0.x`` is the same with the metadata of mmcls 0.x."""

    name = 'openmmlab'
    title = "OpenMMLab's"
    network = None

    def recognize(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Return whether a key is that of a backbone, in an ``ImageClassifier`` or alone."""
        return _BARE in state_dict or any(key.startswith('backbone.') for key in state_dict)

    def to_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a copy. The keys of a backbone alone get their prefix."""
        if _BARE not in state_dict:
            return dict(state_dict)
        return {
            f'backbone.{key}' if key.startswith(_PARTS) else key: value
            for key, value in state_dict.items()
        }

    def from_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a copy."""
        return dict(state_dict)

    def targets(self) -> dict[str, Target]:
        """Return both versions; mmcls 0.x has no networks for 32x32 pixels."""
        old = Target(self, '.pth', 'WideResNet')
        return {'openmmlab': Target(self, '.safetensors', None), 'openmmlab-0.x': old}

    def describe(self, meta: dict[str, Any], target: str, name: str) -> dict[str, Any]:
        """Return the metadata. mmcls 0.x has the class names under another key."""
        if target == 'openmmlab':
            return meta
        if not name.endswith('.pth'):
            raise WrnError(f'{name}: mmcls 0.x reads .pth only; give a name with .pth')
        meta = dict(meta)
        dataset_meta = meta.pop('dataset_meta', {})
        return {**meta, 'CLASSES': dataset_meta['classes']} if 'classes' in dataset_meta else meta
