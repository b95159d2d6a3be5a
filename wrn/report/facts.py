"""What was tested, on what, and how."""

import logging
import os
import platform
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mmengine.config import Config
from modelindex.models.Model import Model
from torch import nn

from wrn.checkpoints.checkpoint_file import find_entry, open_checkpoint
from wrn.checkpoints.tensor_hash import hash_tensors
from wrn.config.config_parts import (
    get_data_preprocessor,
    get_dataset_type,
    get_inner_model,
    unwrap_datasets,
)
from wrn.data.class_names import get_classes
from wrn.utils.files import hash_file
from wrn_base import model_index
from wrn_base.card import describe_images, describe_model
from wrn_base.credentials import mask_credentials
from wrn_base.errors import count, is_full_or_closed, one_line
from wrn_base.version import __version__

_logger = logging.getLogger('wrn')
_PACKAGES = (
    'torch', 'torchvision', 'mmpretrain', 'mmengine', 'numpy', 'matplotlib', 'scikit-learn',
    'ImageHash', 'grad-cam',
)  # fmt: skip


def list_facts(
    cfg: Config,
    network: nn.Module | None,
    model: str,
    data: str,
    provenance: str | None = None,
    precision: str = 'float32',
) -> list[tuple[str, str]]:
    """List what a report says of the model, the data and the run.

    Args:
        cfg: The config of the test. Its ``load_from`` is the weights.
        network: The network that was tested; None if it is unknown.
        model: The name of the model, or the path of its config or file.
        data: The data, with the number of images.
        provenance: Where the weights come from. Defaults to None: what their file or the model
            index says.
        precision: The precision that the backend computes in. Defaults to ``'float32'``.

    Returns:
        The names and values. One that cannot be found, such as that of a file that was removed
        since, is unknown, with the reason.
    """
    facts = [('model', mask_credentials(model))]
    facts += _find('network', lambda: _describe_network(cfg))
    facts += _find('preprocessing', lambda: [_describe_preprocessing(cfg, network)])
    facts += _find('weights', lambda: [provenance or find_provenance(cfg, model)])
    facts += _find('SHA-256', lambda: _hash_weights(cfg, network))
    facts.append(('backend', _describe_backend(cfg, network, precision)))
    facts += [('data', data), ('date', datetime.now().astimezone().strftime('%Y-%m-%d %H:%M %Z'))]
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    facts.append(('command line', mask_credentials(shlex.join(words))))
    return [*facts, ('versions', _list_versions())]


def _find(name: str, find: Callable[[], Iterable[str | tuple[str, str]]]) -> list[tuple[str, str]]:
    """Return facts, each by the name or its own. The figures of a test are worth more than one."""
    try:
        found = [fact if isinstance(fact, tuple) else (name, fact) for fact in find()]
    except Exception as error:  # of files and configs of any kind
        if is_full_or_closed(error):
            raise
        found = [(name, f'unknown ({one_line(error)})')]
        _logger.warning('report: %s: %s', name, found[0][1])
        _logger.debug('the traceback of this failure:', exc_info=True)
    return [(name, mask_credentials(text)) for name, text in found]


def describe_dataset(cfg: Config, dataset: Any) -> str:
    """Return the folder or the type of a dataset, with the numbers of images and classes.

    Args:
        cfg: The config of the test.
        dataset: The dataset.
    """
    parts = [part for _, part in unwrap_datasets(cfg.test_dataloader.dataset)]
    names = [str(part.get('data_root') or _name_type(part)) for part in parts]
    name = cfg.get('data_folder') or ', '.join(dict.fromkeys(names))
    classes = get_classes(dataset)
    of = f' of {count(len(classes), "class")}' if classes else ''
    return f'{name}: {count(len(dataset), "image")}{of}'


def _name_type(dataset: Any) -> str:
    return get_dataset_type(Config(dict(test_dataloader=dict(dataset=dataset))))


def find_provenance(cfg: Config, model: str) -> str:
    """Return where weights come from, by what their file or the model index says.

    Args:
        cfg: A config. Its ``load_from`` is the weights.
        model: The name of the model, or the path of its config or file.

    Raises:
        CheckpointError: If the weights cannot be read.
    """
    path = cfg.get('load_from')
    if not path:
        return model
    named = model_index.find(model)
    if entry := find_entry(path) or (named if named and named.weights == path else None):
        origin = (entry.data.get('Converted From') or {}).get('Weights')
        where = f', {origin}' if origin else ''
        return f'{entry.name}: {_describe_weights(entry)}{where}'
    source = open_checkpoint(path).weights.meta.get('source')
    return f'{Path(path).name}: {source}' if isinstance(source, str) else Path(path).name


def _describe_network(cfg: Config) -> Iterator[tuple[str, str]]:
    if cfg.model.get('type') == 'ExportedClassifier':
        return
    described = describe_model(Config(dict(model=get_inner_model(cfg.model))))
    yield from ((fact.name, str(fact.cell)) for fact in described if fact.name == 'network')


def _describe_weights(entry: Model) -> str:
    provenance = model_index.weights_provenance(entry)
    if provenance != 'trained here':
        return provenance
    file = Path(entry.weights).relative_to(Path(__file__).parents[2])
    return f'trained by this package ({file.as_posix()})'


def _describe_preprocessing(cfg: Config, network: Any) -> str:
    """Return what the test does to images; of several datasets, each that differs."""
    preprocessor = get_data_preprocessor(cfg) or {}
    if metadata := getattr(network, 'metadata', None):  # of an exported file
        preprocessor = dict(mean=metadata.mean, std=metadata.std)
    found = []
    for _, dataset in unwrap_datasets(cfg.test_dataloader.dataset):
        images = describe_images(dataset.get('pipeline') or (), preprocessor)
        found.append('; '.join(filter(None, images.cell)))
        if 'pipeline' not in dataset:
            found[-1] = 'unknown, since the config of the dataset has no pipeline'
    views = '; averaged over the views of tta_pipeline' if 'module' in cfg.model else ''
    return ', or '.join(dict.fromkeys(found)) + views


def _describe_backend(cfg: Config, network: Any, precision: str) -> str:
    """Return what computed the predictions, and in which precision."""
    metadata = getattr(network, 'metadata', None)
    if metadata:
        return f'the exported file, {metadata.precision}'
    name = getattr(getattr(network, 'engine', None), 'name', 'eager')
    if (cfg.get('test_cfg') or {}).get('fp16'):
        precision = 'mixed precision'
    return f'{name}, {precision}'


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
