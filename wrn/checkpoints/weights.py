"""Turn a checkpoint of any known format into weights under OpenMMLab's keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from wrn.checkpoints.formats import recognise
from wrn.checkpoints.formats.checkpoint_format import CheckpointFormat, Implied
from wrn.checkpoints.formats.refused import rejection_reason
from wrn.checkpoints.unwrap import unwrap
from wrn.utils.errors import CheckpointError

# RobustBench's networks never compute the first. ReMixMatch in TorchSSL trains with the second.
_UNUSED = ('sub_block1.', 'rot_classifier.')


@dataclass
class Weights:
    """Weights under OpenMMLab's keys, and what is known about them.

    Attributes:
        state_dict: The weights.
        meta: The ``meta`` of the checkpoint: ``dataset_meta`` with the class names,
            ``normalization``, ``cfg`` and so on, as far as it has them.
        format: The format of the checkpoint, one of :data:`wrn.checkpoints.formats.FORMATS`; None
            if it is unknown. The keys are then those of the checkpoint.
        key: The key of the weights in the checkpoint.
        left_out: The keys of everything else in it.
        implied: What the format implies about the network.
    """

    state_dict: dict[str, Tensor]
    meta: dict[str, Any] = field(default_factory=dict)
    format: CheckpointFormat | None = None
    key: str = ''
    left_out: list[str] = field(default_factory=list)
    implied: Implied = field(default_factory=Implied)


def to_openmmlab(checkpoint: Mapping[str, Any], name: str, key: str | None = None) -> Weights:
    """Take the weights out of a checkpoint, and rename them to OpenMMLab's keys.

    The tensors are not touched: half precision stays half.

    Args:
        checkpoint: What :func:`wrn.checkpoints.read_checkpoint` returned.
        name: The path or name of the file, for messages.
        key: As for :func:`wrn.checkpoints.unwrap.unwrap`. Defaults to None.

    Raises:
        CheckpointError: If there are no weights, or they are those of a network that this package
            is known not to compute.
    """
    unwrapped = unwrap(checkpoint, name, key)
    if reason := rejection_reason(unwrapped.state_dict):
        raise CheckpointError(f'{name}: the weights are of {reason}')
    unused = [key for key in unwrapped.state_dict if key.startswith(_UNUSED)]
    state_dict = {k: v for k, v in unwrapped.state_dict.items() if k not in unused}
    meta = _read_meta(checkpoint.get('meta'))
    if unwrapped.normalization:
        meta['normalization'] = unwrapped.normalization
    weights = Weights(state_dict, meta, None, unwrapped.key, unwrapped.left_out + unused)
    if form := recognise(state_dict):
        weights.format, weights.implied = form, form.implies(state_dict)
        weights.state_dict = form.to_openmmlab(state_dict)
    return weights


def _read_meta(value: Any) -> dict[str, Any]:
    """Return the ``meta`` of a checkpoint without entries of a wrong type; anybody can write it."""
    meta = dict(value) if isinstance(value, Mapping) else {}
    if 'CLASSES' in meta:  # mmcls 0.x
        meta['dataset_meta'] = {'classes': meta.pop('CLASSES')}
    dataset_meta = meta.pop('dataset_meta', None)
    if isinstance(dataset_meta, Mapping) and _is_list_of(str, dataset_meta.get('classes', [])):
        meta['dataset_meta'] = dict(dataset_meta)
    normalization = meta.pop('normalization', None)
    if isinstance(normalization, Mapping) and all(
        _is_list_of(float, normalization.get(key)) for key in ('mean', 'std')
    ):
        meta['normalization'] = {key: normalization[key] for key in ('mean', 'std')}
    for key in ('source', 'license', 'cfg'):
        if not isinstance(meta.get(key, ''), str):
            del meta[key]
    return meta


def _is_list_of(kind: type, values: Any) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, kind) for value in values)
