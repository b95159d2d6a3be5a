"""The parts of a config: its test dataset, the classes that it names, and its top-level keys."""

import difflib
import inspect
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import Registry
from mmengine.runner import Runner
from mmpretrain import registry

from wrn.utils.errors import WrnError, did_you_mean


def get_dataset_meta(cfg: Config) -> dict[str, Any]:
    """Return what is known of the data set that a config tests with.

    Args:
        cfg: The config.

    Returns:
        Its ``METAINFO``, such as the names of its ``classes``; empty if nothing is known.
    """
    kind = find_class(registry.DATASETS, _test_dataset(cfg).get('type'))
    return getattr(kind, 'METAINFO', {})


def get_test_dataset(cfg: Config) -> ConfigDict:
    """Return the data set that a config tests with, out of what it may be wrapped in.

    Args:
        cfg: The config.

    Returns:
        The config of the data set, which has a ``pipeline``.

    Raises:
        WrnError: If there is none.
    """
    dataset = _test_dataset(cfg)
    if 'pipeline' not in dataset:
        raise WrnError(
            f'{cfg.filename or "config"}: has no test_dataloader.dataset.pipeline, which says how '
            'pictures are prepared'
        )
    return dataset


def get_dataset_type(cfg: Config) -> str:
    """Return the name of the type of the dataset that a config tests with; empty if it has none."""
    kind = _test_dataset(cfg).get('type') or ''
    return kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__


def _test_dataset(cfg: Config) -> Any:
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset


def find_class(registry: Registry, kind: Any) -> Any:
    """Find the class that a ``type`` of a config stands for.

    Args:
        registry: Where it is registered, if it is given by its name.
        kind: The name, or the class itself.

    Returns:
        The class; None if there is none of that name.
    """
    return registry.get(kind) if isinstance(kind, str) else kind


def set_default(cfg: Config, key: str, default: dict[str, Any]) -> ConfigDict:
    """Set what a config does not say, or says to be None; return what it then says.

    mmengine's ``setdefault`` returns what it was given, which is not what it has set.

    Args:
        cfg: The config, which is changed.
        key: A top-level key.
        default: What to set.

    Returns:
        The part of the config under the key; a change of it is one of the config.
    """
    if cfg.get(key) is None:
        cfg[key] = default
    return cfg[key]


def check_keys(cfg: Config) -> None:
    """Check that no top-level key is a misspelt one, which mmengine would leave unread.

    Args:
        cfg: The config of a run.

    Raises:
        WrnError: If a key is none of a runner's, but nearly.
    """
    known = inspect.signature(Runner).parameters
    for key in cfg.keys() - known:
        near = difflib.get_close_matches(key, known, cutoff=0.85)
        if near and not any(name in key for name in near):  # such as train_dataloader_1
            raise WrnError(f"{cfg.filename}: unknown key '{key}'{did_you_mean(key, known)}")
