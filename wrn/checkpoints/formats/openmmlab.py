"""OpenMMLab's state dicts, of mmpretrain and of its predecessor mmcls; also this package's own."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from wrn.checkpoints.formats.checkpoint_format import CheckpointFormat, Target
from wrn.utils.errors import WrnError


class OpenMMLab(CheckpointFormat):
    """The format of mmpretrain. ``openmmlab-0.x`` is the same with the metadata of mmcls 0.x."""

    name = 'openmmlab'
    title = "OpenMMLab's"
    network = None

    def recognize(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Return whether any key is that of a backbone in an ``ImageClassifier``."""
        return any(key.startswith('backbone.') for key in state_dict)

    def to_openmmlab(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a copy."""
        return dict(state_dict)

    from_openmmlab = to_openmmlab

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
