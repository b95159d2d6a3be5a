"""What was tested, on what, and how."""

import os
import platform
import shlex
import sys
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import nn

from wrn.checkpoints.checkpoint_file import find_entry, open_checkpoint
from wrn.checkpoints.tensor_hash import hash_tensors
from wrn.config.config_parts import (
    get_data_preprocessor,
    get_dataset_type,
    get_inner_model,
    get_test_dataset,
)
from wrn.data.class_names import get_classes
from wrn.utils.files import hash_file
from wrn_base import model_index
from wrn_base.card import describe_images, describe_model
from wrn_base.credentials import mask_credentials
from wrn_base.errors import count
from wrn_base.version import __version__

_PACKAGES = ('torch', 'torchvision', 'mmpretrain', 'mmengine', 'numpy')


def list_facts(
    cfg: Config, network: nn.Module | None, model: str, data: str, provenance: str | None = None
) -> list[tuple[str, str]]:
    """List what a report says of the model, the data and the run.

    Args:
        cfg: The config of the test. Its ``load_from`` is the weights.
        network: The network that was tested; None if it is unknown.
        model: The name of the model, or the path of its config or file.
        data: The data, with the number of images.
        provenance: Where the weights come from. Defaults to None: what their file or the model
            index says.

    Returns:
        The names and values.
    """
    weights = provenance or _find_provenance(cfg, model)
    facts = [('model', mask_credentials(model)), *_describe_network(cfg)]
    facts += [('weights', mask_credentials(weights)), *_hash_weights(cfg, network)]
    facts += [('data', data), ('date', datetime.now().astimezone().strftime('%Y-%m-%d %H:%M %Z'))]
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    facts.append(('command line', mask_credentials(shlex.join(words))))
    return [*facts, ('versions', _list_versions())]


def describe_dataset(cfg: Config, dataset: Any) -> str:
    """Return the folder or the type of a dataset, with the numbers of images and classes.

    Args:
        cfg: The config of the test.
        dataset: The dataset.
    """
    root = get_test_dataset(cfg).get('data_root')
    name = cfg.get('data_folder') or root or get_dataset_type(cfg)
    classes = get_classes(dataset)
    of = f' of {count(len(classes), "class")}' if classes else ''
    return f'{name}: {count(len(dataset), "image")}{of}'


def _find_provenance(cfg: Config, model: str) -> str:
    path = cfg.get('load_from')
    if not path:
        return model
    named = model_index.find(model)
    if entry := find_entry(path) or (named if named and named.weights == path else None):
        origin = (entry.data.get('Converted From') or {}).get('Weights')
        where = f', {origin}' if origin else ''
        return f'{entry.name}: {model_index.weights_provenance(entry)}{where}'
    source = open_checkpoint(path).weights.meta.get('source')
    return f'{Path(path).name}: {source}' if isinstance(source, str) else Path(path).name


def _describe_network(cfg: Config) -> Iterator[tuple[str, str]]:
    if cfg.model.get('type') == 'ExportedClassifier':
        return
    described = describe_model(Config(dict(model=get_inner_model(cfg.model))))
    yield from ((fact.name, str(fact.cell)) for fact in described if fact.name == 'network')
    images = describe_images(get_test_dataset(cfg).pipeline, get_data_preprocessor(cfg) or {})
    yield 'preprocessing', '; '.join(filter(None, images.cell))


def _hash_weights(cfg: Config, network: nn.Module | None) -> Iterator[tuple[str, str]]:
    """Yield the hash of the weights, as ``wrn info`` prints it; of the file in a backend."""
    state_dict = network.state_dict() if network else {}
    if any(name.startswith('backbone.') for name in state_dict):
        plain = {name: value.contiguous() for name, value in state_dict.items()}
        if digest := hash_tensors(plain):
            yield 'SHA-256 of tensors', digest
    else:
        path = cfg.get('load_from') or cfg.model.get('path')
        if path and os.path.isfile(path):
            yield 'SHA-256 of the file', hash_file(path)


def _list_versions() -> str:
    names = [f'wrn {__version__}', f'Python {platform.python_version()}']
    for name in _PACKAGES:
        for known in (name, f'onedl-{name}'):  # the fork of OpenMMLab's packages
            try:
                names.append(f'{known} {version(known)}')
            except PackageNotFoundError:
                continue
            break
    return ', '.join(names)
