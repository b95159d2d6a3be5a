"""Access parts of a config: its test dataset, the classes of its types, its top-level keys."""

import difflib
import inspect
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import Registry
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS

from wrn.utils.errors import WrnError

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
        WrnError: If there is no test dataset, or it has no pipeline.
    """
    dataset = get_inner_dataset(cfg, 'test_dataloader')
    if 'pipeline' not in dataset:
        raise WrnError(
            f'{cfg.filename or "config"}: has no test_dataloader.dataset.pipeline, which defines '
            'the preprocessing; add it'
        )
    return dataset


def get_dataset_type(cfg: Config) -> str:
    """Return the class name of a config's test dataset; empty if there is no test dataset."""
    kind = get_inner_dataset(cfg, 'test_dataloader').get('type') or ''
    return kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__


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


def unwrap_datasets(dataset: Any, key: str = 'dataset') -> Iterator[tuple[str, ConfigDict]]:
    """Find the datasets that a dataset wraps, at any depth.

    Args:
        dataset: The config of a dataset, such as a ``RepeatDataset`` or a ``ConcatDataset``.
        key: Its key, as ``--cfg-options`` names it. Defaults to ``'dataset'``.

    Yields:
        The key and the config of each dataset that wraps no other.
    """
    if 'dataset' in dataset:
        yield from unwrap_datasets(dataset['dataset'], f'{key}.dataset')
    elif 'datasets' in dataset:
        for i, inner in enumerate(dataset['datasets']):
            yield from unwrap_datasets(inner, f'{key}.datasets.{i}')
    else:
        yield key, dataset


def find_class(types: Registry, kind: Any) -> Any:
    """Return the class of a ``type`` in a config.

    Args:
        types: The registry to look a name up in.
        kind: The name of the class, or the class itself.

    Returns:
        The class. None if the name is not registered.
    """
    return types.get(kind) if isinstance(kind, str) else kind


def set_default(cfg: Config, key: str, default: dict[str, Any]) -> ConfigDict:
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
