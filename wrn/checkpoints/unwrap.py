"""Take the weights out of a checkpoint of any known format."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from wrn.checkpoints.formats import recognize
from wrn.checkpoints.formats.checkpoint_format import CheckpointFormat, Implied
from wrn.checkpoints.formats.refused import rejection_reason
from wrn.data.images.allowed_steps import check_normalization
from wrn.utils.errors import CheckpointError, one_line, some

# Where libraries put the weights that are meant for use. Other sets of weights, such as an average,
# are taken only if the caller asks for them, or if there are no others.
_USUAL_KEYS = ('', 'state_dict', 'model_state_dict', 'model', 'net', 'params')
# Added by DataParallel, by torch.compile, and by wrappers that normalize the input of a model.
_PREFIXES = ('module.', '_orig_mod.', 'model.')
_SEQUENTIAL_PREFIX = '1.'  # of nn.Sequential(normalization, model)
_MEANS, _STDS = ('mean', 'mu', 'new_mean'), ('std', 'sigma', 'new_std')
_COUNTERS = ('n_averaged', 'steps')  # of averaged models in torch and mmengine
# Parts that inference does not use: an extra stage in RobustBench's networks, and the head for
# rotations in TorchSSL's ReMixMatch.
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

    The tensors keep their values and data types.

    Args:
        checkpoint: What :func:`wrn.checkpoints.read_checkpoint` returned.
        name: The path or name of the file, for messages.
        key: The key of the weights, such as ``'model_ema'`` or ``'ema.state_dict'``. Defaults to
            None: the usual keys of libraries.

    Raises:
        CheckpointError: If there are no weights, none under the key, or several sets to choose
            from, or if they belong to a network that this package does not compute.
    """
    found = {'.'.join(keys): (keys, weights) for keys, weights in _state_dicts(checkpoint)}
    if not found:
        raise CheckpointError(
            f'{name}: holds no weights ({some(map(str, checkpoint)) or "it is empty"}); give a '
            "file with a state dict, or with one under the key 'state_dict'"
        )
    if key is None:
        key = _choose(found, name)
    elif key not in found:
        known = some(filter(None, found))
        cure = f'give one of these keys: {known}' if known else 'give no key'
        raise CheckpointError(f'{name}: no weights under the key {key!r}; {cure}')
    keys, wrapped = found[key]
    state_dict, dropped, normalization = _strip(wrapped)
    if reason := rejection_reason(state_dict):
        raise CheckpointError(f'{name}: unsupported network: {reason}')
    dropped += [key for key in state_dict if key.startswith(_UNUSED)]
    state_dict = {k: v for k, v in state_dict.items() if k not in dropped}
    meta = _read_meta(checkpoint.get('meta'))
    if normalization:
        meta['normalization'] = normalization
    weights = Weights(state_dict, meta, None, key, _others(checkpoint, keys) + dropped)
    if form := recognize(state_dict):
        try:
            weights.format, weights.implied = form, form.implies(state_dict)
            weights.state_dict = form.to_openmmlab(state_dict)
        except (TypeError, ValueError, IndexError, RuntimeError) as error:  # of tensors' shapes
            raise CheckpointError(
                f'{name}: a tensor has a wrong shape ({one_line(error)}; the keys are in '
                f'{form.title} format); copy or download the file again'
            ) from error
    if 'normalization' in meta:
        stem = weights.state_dict.get('backbone.conv1.weight')
        channels = stem.shape[1] if stem is not None and stem.ndim == 4 else 3
        check_normalization(**meta['normalization'], channels=channels, path=name)
    return weights


def _state_dicts(
    value: Mapping[Any, Any], keys: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Mapping[Any, Any]]]:
    """Yield each dict that maps dotted names to tensors, and the keys that lead to it."""
    if any('.' in str(key) and isinstance(item, Tensor) for key, item in value.items()):
        yield keys, value
    if len(keys) < 3:
        for key, item in value.items():
            if isinstance(item, Mapping):
                yield from _state_dicts(item, (*keys, str(key)))


def _others(value: Mapping[Any, Any], keys: tuple[str, ...]) -> list[str]:
    """Return the keys of all that is not a tensor under these keys, except ``meta``."""
    others = []
    for depth, part in enumerate(keys):
        others += ['.'.join((*keys[:depth], str(key))) for key in value if str(key) != part]
        value = next(item for key, item in value.items() if str(key) == part)
    others += ['.'.join((*keys, str(k))) for k, v in value.items() if not isinstance(v, Tensor)]
    return [key for key in others if key != 'meta']


def _choose(keys: Collection[str], name: str) -> str:
    """Return the key of the weights that are meant for use."""
    groups = (
        [key for key in keys if key == usual or key.startswith(f'{usual}.')]
        for usual in _USUAL_KEYS
    )
    keys = next(filter(None, groups), keys)
    if len(keys) > 1:
        raise CheckpointError(
            f'{name}: holds several sets of weights ({some(keys)}); extract one with `wrn convert '
            f'{name} NAME --key KEY`'
        )
    return next(iter(keys))


def _strip(
    state_dict: Mapping[Any, Any],
) -> tuple[dict[str, Tensor], list[str], dict[str, list[float]]]:
    """Return the weights without the parts of wrappers, the counters, and the normalization."""
    weights = {str(key): value for key, value in state_dict.items() if isinstance(value, Tensor)}
    means, stds = (_statistics(weights, names) for names in (_MEANS, _STDS))
    normalization: dict[str, list[float]] = {}
    if len(means) == len(stds) == 1:
        (mean_key,), (std_key,) = means, stds
        mean, std = (weights.pop(key).flatten().double() for key in (mean_key, std_key))
        scale = 255 if max(mean.max(), std.max()) <= 1 else 1
        normalization = dict(mean=(mean * scale).tolist(), std=(std * scale).tolist())
    counters = [key for key in weights if key.rpartition('.')[2] in _COUNTERS]
    weights = {key: value for key, value in weights.items() if key not in counters}
    prefixes = (*_PREFIXES, _SEQUENTIAL_PREFIX) if normalization else _PREFIXES
    while weights and (
        prefix := next((p for p in prefixes if all(key.startswith(p) for key in weights)), None)
    ):
        weights = {key.removeprefix(prefix): value for key, value in weights.items()}
    return weights, counters, normalization


def _statistics(weights: Mapping[str, Tensor], names: Sequence[str]) -> list[str]:
    """Return the keys of three floats, one per channel, that have one of these names."""
    return [
        key
        for key, value in weights.items()
        if key.rpartition('.')[2] in names and torch.is_floating_point(value) and value.numel() == 3
    ]


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
