"""Access parts of a config: its test dataset, the classes of its types, its top-level keys."""

import difflib
import inspect
import math
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import Registry
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS

from wrn_base.errors import WrnError

_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_PARTS = (
    ('model', 'backbone'),
    ('model', 'head'),
    ('data_preprocessor',),
    *((key, 'dataset') for key in _LOADERS),
)
# The top-level keys that mmengine's runner, mmengine's Config or this package reads.
RUN_KEYS = (
    *inspect.signature(Runner).parameters,
    *('custom_imports', 'runner_type', 'tta_model', 'tta_pipeline'),
)


def get_dataset_meta(cfg: Config) -> dict[str, Any]:
    """Return the ``METAINFO`` of a config's test dataset.

    Args:
        cfg: The config.

    Returns:
        The class names (``classes``) and other metadata. Empty if the dataset class has none.
    """
    kind = find_class(DATASETS, get_inner_dataset(cfg, 'test_dataloader').get('type'))
    return getattr(kind, 'METAINFO', {})


def get_test_dataset(cfg: Config) -> ConfigDict:
    """Return the config of the test dataset, without the datasets that wrap it.

    Args:
        cfg: The config.

    Returns:
        A dataset config with a ``pipeline``.

    Raises:
        WrnError: If there is no test dataset, it has no pipeline, or one that is not a list of
            steps with a type.
    """
    dataset = get_inner_dataset(cfg, 'test_dataloader')
    if 'pipeline' not in dataset:
        raise WrnError(
            f'{cfg.filename or "config"}: has no test_dataloader.dataset.pipeline, which defines '
            'the preprocessing; add it'
        )
    pipeline = dataset['pipeline']
    steps = pipeline if isinstance(pipeline, list | tuple) else [pipeline]
    for step in steps:
        if not isinstance(step, dict) or 'type' not in step:
            raise WrnError(
                f'{cfg.filename or "config"}: test_dataloader.dataset.pipeline has a step without '
                f"a type: {str(step)[:200]}; give dict(type='...')"
            )
    return dataset


def get_dataset_type(cfg: Config) -> str:
    """Return the class name of a config's test dataset; empty if there is no test dataset."""
    kind = get_inner_dataset(cfg, 'test_dataloader').get('type') or ''
    return kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', '')


def get_inner_dataset(cfg: Config, loader: str) -> Any:
    """Return the dataset of a data loader, without wrappers such as ``RepeatDataset``.

    Args:
        cfg: The config.
        loader: The key of the data loader, such as ``'train_dataloader'``.

    Returns:
        The config of the dataset. Empty if the config has no such loader.
    """
    dataset = (cfg.get(loader) or {}).get('dataset') or {}
    inner = [dataset for _, dataset in unwrap_datasets(dataset)]
    return inner[0] if len(inner) == 1 else dataset


def get_inner_model(model: ConfigDict) -> ConfigDict:
    """Return the config of a model without the one for test-time augmentation that wraps it."""
    return model.get('module', model)


def get_data_preprocessor(cfg: Config) -> Any:
    """Return the data preprocessor of a config's model, which may stand beside the model."""
    model = cfg.get('model')  # an exported file has none
    own = get_inner_model(model).get('data_preprocessor') if model else None
    return own or cfg.get('data_preprocessor')


def unwrap_datasets(dataset: Any, key: str = 'dataset') -> Iterator[tuple[str, ConfigDict]]:
    """Find the datasets that a dataset wraps, at any depth.

    Args:
        dataset: The config of a dataset, such as a ``RepeatDataset`` or a ``ConcatDataset``.
        key: Its key, as ``--cfg-options`` names it. Defaults to ``'dataset'``.

    Yields:
        The key and the config of each dataset that wraps no other.

    Raises:
        WrnError: If a dataset is not a dict.
    """
    if not isinstance(dataset, dict):
        raise WrnError(f'{key}: is of type {type(dataset).__name__}, not a dict; correct it')
    if 'dataset' in dataset:
        yield from unwrap_datasets(dataset['dataset'], f'{key}.dataset')
    elif 'datasets' in dataset:
        for i, inner in enumerate(dataset['datasets']):
            yield from unwrap_datasets(inner, f'{key}.datasets.{i}')
    else:
        yield key, dataset


def check_types(cfg: Config) -> None:
    """Check that the parts of a config that all commands read are dicts, if they are there.

    Args:
        cfg: The config.

    Raises:
        WrnError: If a part has another type. The message names its key.
    """
    for keys in _PARTS:
        part: Any = cfg
        for i, key in enumerate(keys):
            part = part.get(key)
            if part is None:
                break
            if not isinstance(part, dict):
                raise WrnError(
                    f'{cfg.filename or "config"}: {".".join(keys[: i + 1])} is of type '
                    f'{type(part).__name__}, not a dict; correct it'
                )


def find_class(types: Registry, kind: Any) -> Any:
    """Return the class of a ``type`` in a config.

    Args:
        types: The registry to look a name up in.
        kind: The name of the class, or the class itself.

    Returns:
        The class. None if the name is not registered.
    """
    return types.get(kind) if isinstance(kind, str) else kind


def set_default(cfg: Config, key: str, default: Any) -> Any:
    """Set a top-level key of a config if it is missing or None.

    mmengine's ``setdefault`` returns its argument instead of the value in the config.

    Args:
        cfg: The config, which is changed in place.
        key: The key.
        default: The value to set.

    Returns:
        The value in the config. Changing it changes the config.
    """
    if cfg.get(key) is None:
        cfg[key] = default
    return cfg[key]


def choose_topk(num_classes: int) -> tuple[int, ...]:
    """Return each k for top-k accuracy: 1, and also 5 if there are more than five classes."""
    return (1, 5) if num_classes > 5 else (1,)


def check_keys(cfg: Config) -> None:
    """Check a config for misspelled top-level keys, which mmengine would ignore.

    Args:
        cfg: The config of a run.

    Raises:
        WrnError: If an unknown key is close to a key of mmengine's runner.
    """
    known = inspect.signature(Runner).parameters
    for key in cfg.keys() - known:
        near = difflib.get_close_matches(key, known, cutoff=0.85)
        if near and not any(name in key for name in near):  # allow train_dataloader_1, for one
            raise WrnError(f"{cfg.filename}: unknown key '{key}'; rename it to {near[0]}")


def check_values(cfg: Config) -> None:
    """Check the values of a config that fail late, or in a message that does not name them.

    Args:
        cfg: The config of a model.

    Raises:
        WrnError: If there is no model, the mean or the std does not fit the channels of its images,
            or the number of classes or a batch size is not a positive number.
    """
    name, model = cfg.filename or 'config', cfg.get('model')
    if not isinstance(model, dict) or 'type' not in model:
        what = 'no model' if model is None else f'a model without a type ({str(model)[:80]})'
        raise WrnError(f"{name}: has {what}; give model=dict(type='ImageClassifier', ...)")
    channels = (model.get('backbone') or {}).get('in_channels', 3)
    for key, owner in (('', cfg), ('model.', model)):
        for statistic in ('mean', 'std'):
            values = (owner.get('data_preprocessor') or {}).get(statistic)
            if values is not None and not is_statistic(values, channels):
                raise WrnError(
                    f'{name}: {key}data_preprocessor.{statistic}={values!r}: must be a list of '
                    f'{channels} numbers, one for each channel'
                )
            if values is not None and statistic == 'std' and min(values) <= 0:
                raise WrnError(
                    f'{name}: {key}data_preprocessor.std={values!r}: must be above 0, since images '
                    'are divided by it'
                )
    number = head.get('num_classes', 1) if isinstance(head := model.get('head'), dict) else 1
    if not isinstance(number, int) or number < 1:
        raise WrnError(f'{name}: model.head.num_classes={number!r}: must be a number of at least 1')
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        size = (cfg.get(loader) or {}).get('batch_size', 1)
        if not isinstance(size, int) or size < 1:
            raise WrnError(f'{name}: {loader}.batch_size={size!r}: must be a number of at least 1')


def is_statistic(values: Any, channels: int) -> bool:
    """Return whether a value is a list of finite numbers, one or one for each channel."""
    return (
        isinstance(values, list | tuple)
        and len(values) in (1, channels)
        and all(isinstance(value, int | float) and math.isfinite(value) for value in values)
    )
