"""Turn a checkpoint of any known format into OpenMMLab's, and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from wrn.checkpoints.formats import recognise
from wrn.checkpoints.formats.checkpoint_format import CheckpointFormat, Implied
from wrn.checkpoints.formats.refused import rejection_reason
from wrn.checkpoints.unwrap import unwrap
from wrn.utils.errors import CheckpointError

# Of RobustBench, which never computes it, and of ReMixMatch in TorchSSL, which does in training.
_UNUSED = ('sub_block1.', 'rot_classifier.')


@dataclass
class Weights:
    """Weights under OpenMMLab's keys, and what is known of them.

    Attributes:
        state_dict: The weights.
        meta: ``dataset_meta`` with the names of the classes, ``normalization``, ``cfg`` and the
            like, as far as the checkpoint has them.
        format: The format that they were in, one of :data:`wrn.checkpoints.formats.FORMATS`; None
            if it is none of these.
        key: Where they lay in the checkpoint.
        left_out: What else there was in it.
        implied: What the format implies about their network.
    """

    state_dict: dict[str, Tensor]
    meta: dict[str, Any] = field(default_factory=dict)
    format: CheckpointFormat | None = None
    key: str = ''
    left_out: list[str] = field(default_factory=list)
    implied: Implied = field(default_factory=Implied)


def to_openmmlab(checkpoint: Mapping[str, Any], source: str, key: str | None = None) -> Weights:
    """Take the weights out of a checkpoint and rename them to OpenMMLab's keys.

    The tensors themselves are not touched, and may stay on the disk or in half precision.

    Args:
        checkpoint: What :func:`wrn.checkpoints.read_checkpoint` returned.
        source: The name of the file, for messages.
        key: As for :func:`wrn.checkpoints.unwrap.unwrap`. Defaults to None.

    Returns:
        The weights; of an unknown format, with the keys that they had.

    Raises:
        CheckpointError: If there are none, or they are of a network that this package has not.
    """
    unwrapped = unwrap(checkpoint, source, key)
    state_dict = unwrapped.state_dict
    if reason := rejection_reason(state_dict):
        raise CheckpointError(f'{source}: the weights are of {reason}')
    unused = [key for key in state_dict if key.startswith(_UNUSED)]
    state_dict = {key: value for key, value in state_dict.items() if key not in unused}
    meta = _read_meta(checkpoint.get('meta'))
    if unwrapped.normalization:
        meta['normalization'] = unwrapped.normalization
    weights = Weights(state_dict, meta, None, unwrapped.key, unwrapped.left_out + unused)
    if form := recognise(state_dict):
        weights.format, weights.implied = form, form.implies(state_dict)
        weights.state_dict = form.to_openmmlab(state_dict)
    return weights


def _read_meta(value: Any) -> dict[str, Any]:
    """Keep of the ``meta`` of a checkpoint what is what it should be; anybody can write one."""
    meta = dict(value) if isinstance(value, Mapping) else {}
    if 'CLASSES' in meta:  # mmcls 0.x
        meta['dataset_meta'] = {'classes': meta.pop('CLASSES')}
    dataset_meta = meta.pop('dataset_meta', None)
    if isinstance(dataset_meta, Mapping) and _are(str, dataset_meta.get('classes', [])):
        meta['dataset_meta'] = dict(dataset_meta)
    normalization = meta.pop('normalization', None)
    if isinstance(normalization, Mapping) and all(
        _are(float, normalization.get(key)) for key in ('mean', 'std')
    ):
        meta['normalization'] = {key: normalization[key] for key in ('mean', 'std')}
    for key in ('source', 'license', 'cfg'):
        if not isinstance(meta.get(key, ''), str):
            del meta[key]
    return meta


def _are(kind: type, values: Any) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, kind) for value in values)
