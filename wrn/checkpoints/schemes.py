"""The loaders that mmengine calls to read a checkpoint from a path, a URL or a name.

mmengine logs the name of a loader, without ``load_from_``, as the name of a backend.
"""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine import fileio
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import (
    _get_mmengine_home,
    _process_mmcls_checkpoint,
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
)

from wrn.checkpoints.checkpoint_file import ADDRESSES, locate
from wrn.checkpoints.reader import read_checkpoint
from wrn.checkpoints.unwrap import to_openmmlab
from wrn.config.config_file import HIDDEN_CONFIG
from wrn_base.errors import CheckpointError, did_you_mean


def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint from a path.

    Args:
        filename: The path.
        map_location: Where to put the tensors. Defaults to None, the CPU.

    Returns:
        The checkpoint, as from :func:`wrn.checkpoints.read_checkpoint`.

    Raises:
        CheckpointError: If the file cannot be read, or is a URL with an unknown scheme.
    """
    if '://' in filename:
        raise CheckpointError(f'{filename}: unknown URL scheme; give a path or an https:// URL')
    return read_checkpoint(filename, map_location)


def load_from_url(
    filename: str, map_location: Any = None, url_mapping: tuple[str, str] | None = None
) -> dict[str, Any]:
    """Read a checkpoint from a URL, downloaded if it is not in the cache.

    Args:
        filename: A URL, as for :func:`wrn.checkpoints.checkpoint_file.locate`.
        map_location: Where to put the tensors. Defaults to None, the CPU.
        url_mapping: As for :func:`wrn.download.fetch`. Defaults to None.

    Returns:
        The checkpoint, as from :func:`wrn.checkpoints.read_checkpoint`. The published weights of a
        model have OpenMMLab's keys in whatever format they are published.

    Raises:
        CheckpointError: If there is no such file, or it cannot be downloaded.
    """
    path, entry = locate(filename, url_mapping)
    checkpoint = read_checkpoint(path, map_location)
    if entry is None:
        return checkpoint
    weights = to_openmmlab(checkpoint, entry.name)
    return dict(state_dict=weights.state_dict, meta=weights.meta)


def load_from_storage(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint from an object store that mmengine has a backend for, such as ``s3://``.

    Args:
        filename: The URL.
        map_location: Where to put the tensors. Defaults to None, the CPU.

    Returns:
        The checkpoint, as from :func:`wrn.checkpoints.read_checkpoint`.

    Raises:
        CheckpointError: If the file cannot be downloaded or read.
    """
    try:
        content = fileio.get(filename)
    except Exception as error:  # each client has exceptions of its own
        reason = f'{filename}: cannot be downloaded ({error!r}); check the URL and your access'
        raise CheckpointError(reason) from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'checkpoint')
        path.write_bytes(content)
        try:
            return read_checkpoint(path, map_location)
        except CheckpointError as error:
            raise CheckpointError(str(error).replace(str(path), filename)) from error


def load_from_name(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint that mmengine has a name for, such as ``torchvision://resnet50``.

    Args:
        filename: One of mmengine's schemes ``torchvision``, ``modelzoo``, ``open-mmlab``,
            ``openmmlab`` and ``mmcls``, and a name.
        map_location: Where to put the tensors. Defaults to None, the CPU.

    Returns:
        The checkpoint, as from :func:`wrn.checkpoints.read_checkpoint`; with ``mmcls``, only the
        weights of the backbone, as from mmengine.

    Raises:
        CheckpointError: If the name is unknown, or the download fails.
    """
    scheme, name = filename.split('://')
    urls = _TABLES[scheme]()
    name = get_deprecated_model_names().get(name, name)
    if name not in urls:
        hint = did_you_mean(name, urls, '; give a path or URL')
        raise CheckpointError(f'{filename}: mmengine has no weights of this name{hint}')
    url = urls[name]
    if '://' not in url:  # an entry of the user's, a path relative to mmengine's folder
        url = str(Path(_get_mmengine_home(), url))
    checkpoint = CheckpointLoader.load_checkpoint(url, map_location, logger='silent')
    return _process_mmcls_checkpoint(checkpoint) if scheme == 'mmcls' else checkpoint


_TABLES: dict[str, Callable[[], dict[str, str]]] = {
    'torchvision': get_torchvision_models,
    'modelzoo': get_torchvision_models,
    'open-mmlab': get_external_models,
    'openmmlab': get_external_models,
    'mmcls': get_mmcls_models,
}


def register() -> None:
    """Make mmengine read all checkpoints through this package.

    mmengine's own loaders of URLs and names unpickle without ``weights_only``. Those of its fork do
    so whenever ``weights_only`` fails.
    """
    for prefixes, loader in (
        ([''], load_from_local),
        (ADDRESSES, load_from_url),
        ([r'(\S+\:)?s3://', r'(\S+\:)?petrel://', 'pavi://'], load_from_storage),
        ([f'{scheme}://' for scheme in _TABLES], load_from_name),
    ):
        CheckpointLoader.register_scheme(prefixes, _without_code(loader), force=True)


def _without_code(loader: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Wrap a loader, so that mmengine finds no text that its inferencer would run as Python."""

    @functools.wraps(loader)
    def load(*args: Any, **kwargs: Any) -> dict[str, Any]:
        checkpoint = loader(*args, **kwargs)
        messages = checkpoint.get('message_hub')
        runtime = messages.get('runtime_info') if isinstance(messages, dict) else None
        if isinstance(runtime, dict):
            runtime.pop('cfg', None)
        meta = checkpoint.get('meta')
        if isinstance(meta, dict) and 'cfg' in meta:
            meta[HIDDEN_CONFIG] = meta.pop('cfg')
        return checkpoint

    return load
