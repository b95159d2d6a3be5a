"""Take the weights out of a checkpoint of any known format."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from torch import Tensor

from wrn.checkpoints.extra_tensors import check_modules, separate
from wrn.checkpoints.formats import recognize
from wrn.checkpoints.formats.refused import rejection_reason
from wrn.checkpoints.formats.unused_norms import UNUSED, find_used_norms
from wrn.checkpoints.weights import ReadOptions, Weights
from wrn.checkpoints.wrappers import unwrap
from wrn.data.images.allowed_steps import check_normalization
from wrn_base.errors import CheckpointError, one_line, some

# Where libraries put the weights that are meant for use. Other sets of weights, such as an average,
# are taken only if the caller asks for them, or if there are no others.
_USUAL_KEYS = ('', 'state_dict', 'model_state_dict', 'model', 'net', 'params')
_RAW = 'ema_state_dict'  # of mmengine's EMAHook, which swaps the two when it saves
# The authors' older script saved the running statistics of the batch norms apart.
_PARAMS, _STATS = 'params', 'stats'


def to_openmmlab(
    checkpoint: Mapping[str, Any],
    name: str,
    options: ReadOptions = ReadOptions(),
) -> Weights:
    """Take the weights out of a checkpoint, and rename them to OpenMMLab's keys.

    The tensors keep their values and data types.

    Args:
        checkpoint: What :func:`wrn.checkpoints.read_checkpoint` returned.
        name: The path or name of the file, for messages.
        options: What to take. Defaults to the usual.

    Raises:
        CheckpointError: If there are no weights, none under the key or the prefix, or several sets
            to choose from, or if they belong to a network that this package does not compute.
    """
    checkpoint = _join_statistics(checkpoint)
    found = {'.'.join(keys): (keys, weights) for keys, weights in _state_dicts(checkpoint)}
    if not found:
        raise CheckpointError(
            f'{name}: holds no weights ({some(map(str, checkpoint)) or "it is empty"}); give a '
            "file with a state dict, or with one under the key 'state_dict'"
        )
    meta = _read_meta(checkpoint.get('meta'))
    key, assumptions = options.key, []
    if key is None:
        key = _choose(found, name)
        others = [other or 'the top level' for other in found if other != key]
        swapped = 'mmengine_version' in meta and key == 'state_dict' and _RAW in others
        if swapped and 'cfg' not in meta:
            assumptions.append(f'the averaged weights under {key}, not the raw ones under {_RAW}')
        elif others and not swapped:
            taken = key or 'the top level'
            assumptions.append(f'the weights under {taken}, not those under {some(others)}')
    elif key not in found:
        known = some(filter(None, found))
        cure = f'give one of these keys: {known}' if known else 'give no key'
        raise CheckpointError(f'{name}: no weights under the key {key!r}; {cure}')
    keys, wrapped = found[key]
    unwrapped = unwrap(wrapped, name, options.prefix)
    state_dict = unwrapped.state_dict
    if reason := rejection_reason(state_dict):
        raise CheckpointError(f'{name}: unsupported network: {reason}')
    if unwrapped.prefix and options.prefix is None and 'cfg' not in meta:
        assumptions.append(f'the network behind the prefix {unwrapped.prefix!r}')
    if options.mean is not None and options.std is not None:
        meta['normalization'] = dict(mean=[*options.mean], std=[*options.std])
    elif unwrapped.statistics:
        meta['normalization'], origin = unwrapped.statistics.normalization(name)
        if 'cfg' not in meta:
            assumptions.append(origin)
    elif 'normalization' in meta:
        meta['normalization'] = _read_normalization(meta['normalization'], name)
    elif unwrapped.unused_statistics and 'cfg' not in meta:
        assumptions.append(f'no normalization by {unwrapped.unused_statistics}')
    weights = Weights(
        state_dict,
        meta,
        key=key,
        prefix=unwrapped.prefix,
        left_out=_others(checkpoint, keys) + unwrapped.left_out,
        pruned=unwrapped.pruned,
        assumptions=assumptions,
    )
    if form := recognize(state_dict):
        try:
            weights.format, weights.implied = form, form.implies(state_dict)
            weights.state_dict = form.to_openmmlab(state_dict)
        except (TypeError, ValueError, IndexError, RuntimeError) as error:  # of tensors' shapes
            raise CheckpointError(
                f'{name}: a tensor has a wrong shape ({one_line(error)}; the keys are in '
                f'{form.title} format); copy or download the file again'
            ) from error
        renamed = state_dict.keys() - weights.state_dict.keys()
        check_modules(weights, renamed, name)
        separate(weights, wrapped)
        _look_for_unused_norms(weights)
    if normalization := meta.get('normalization'):
        stem = weights.state_dict.get('backbone.conv1.weight')
        channels = stem.shape[1] if stem is not None and stem.ndim == 4 else 3
        path = name if options.mean is None else None
        check_normalization(**normalization, channels=channels, path=path)
        for statistic, values in normalization.items():  # one value is that of each channel
            normalization[statistic] = [*values] * (channels if len(values) == 1 else 1)
    return weights


def _look_for_unused_norms(weights: Weights) -> None:
    """Infer the stages that activate the input of their first block, if the file shows it."""
    if 'activate_before_residual' in (weights.implied.backbone or {}):
        return
    if (used := find_used_norms(weights.state_dict)) and not all(used):
        backbone = {
            'type': 'WideResNetCIFAR',
            **(weights.implied.backbone or {}),
            'activate_before_residual': used,
        }
        reason = ', and '.join(filter(None, (weights.implied.reason, UNUSED)))
        weights.implied = weights.implied._replace(backbone=backbone, reason=reason)


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
            f'{name}: holds several sets of weights ({some(keys)}); choose one with --key (in '
            f'Python, key={min(keys)!r})'
        )
    return next(iter(keys))


def _join_statistics(checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    """Move running statistics that are stored apart to the weights."""
    params, stats = checkpoint.get(_PARAMS), checkpoint.get(_STATS)
    if (
        isinstance(params, Mapping)
        and isinstance(stats, Mapping)
        and any(str(key).endswith('.running_mean') for key in stats)
    ):
        others = {key: value for key, value in checkpoint.items() if key != _STATS}
        return {**others, _PARAMS: {**params, **stats}}
    return checkpoint


def _read_meta(value: Any) -> dict[str, Any]:
    """Return the ``meta`` of a checkpoint without entries of a wrong type; anybody can write it."""
    meta = dict(value) if isinstance(value, Mapping) else {}
    if 'CLASSES' in meta:  # mmcls 0.x
        meta['dataset_meta'] = {'classes': meta.pop('CLASSES')}
    dataset_meta = meta.pop('dataset_meta', None)
    if isinstance(dataset_meta, Mapping) and _is_list_of(str, dataset_meta.get('classes', [])):
        meta['dataset_meta'] = dict(dataset_meta)
    if not _is_list_of(str, meta.get('assumed', [])):
        del meta['assumed']
    for key in ('source', 'license', 'cfg'):
        if not isinstance(meta.get(key, ''), str):
            del meta[key]
    return meta


def _read_normalization(value: Any, name: str) -> dict[str, list[float]]:
    found = {}
    for statistic in ('mean', 'std'):
        values = value.get(statistic) if isinstance(value, Mapping) else None
        values = [values] if isinstance(values, int | float) else values
        if not values or not _is_list_of(int | float, values):
            raise CheckpointError(
                f'{name}: the normalization in its metadata is not a mean and a std of numbers; '
                'correct it, or leave it out and give --mean and --std'
            )
        found[statistic] = [float(item) for item in values]
    return found


def _is_list_of(kind: Any, values: Any) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, kind) for value in values)
