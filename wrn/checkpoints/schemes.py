"""Where checkpoints come from: the loaders that mmengine calls for a path or URL."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine import fileio
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import (
    _get_mmengine_home,
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
)

from wrn.checkpoints.checkpoint_file import ADDRESSES, locate
from wrn.checkpoints.reader import read_checkpoint
from wrn.checkpoints.unwrap import unwrap
from wrn.checkpoints.weights import to_openmmlab
from wrn.utils.errors import CheckpointError, did_you_mean


def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint from a path.

    mmengine logs the name of a loader, without its first ten letters, as that of a backend.

    Args:
        filename: The path.
        map_location: Where to put the tensors. Defaults to None, the CPU.

    Returns:
        The checkpoint, as of :func:`wrn.checkpoints.read_checkpoint`.

    Raises:
        CheckpointError: If it cannot be read, or is an address that mmengine has no loader for.
    """
    if '://' in filename:
        raise CheckpointError(f'{filename}: nothing is known of such addresses; give a path or URL')
    return read_checkpoint(filename, map_location)


def load_from_source(
    filename: str, map_location: Any = None, url_mapping: tuple[str, str] | None = None
) -> dict[str, Any]:
    """Download a checkpoint to the cache, if it is not there, and read it from there.

    Args:
        filename: What :func:`locate` takes.
        map_location: Where to put the tensors. Defaults to None, the CPU.
        url_mapping: As for :func:`wrn.download.fetch`. Defaults to None.

    Returns:
        The checkpoint, as of :func:`wrn.checkpoints.read_checkpoint`; of a model of this package,
        with OpenMMLab's keys, whatever those of the source are.

    Raises:
        CheckpointError: If there is no such file, or it cannot be had.
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
        filename: The address.
        map_location: Where to put the tensors. Defaults to None, the CPU.

    Returns:
        The checkpoint, as of :func:`wrn.checkpoints.read_checkpoint`.

    Raises:
        CheckpointError: If it cannot be fetched.
    """
    try:
        content = fileio.get(filename)
    except Exception as error:  # each store's client raises what it likes
        raise CheckpointError(f'{filename}: cannot be fetched ({error!r})') from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'checkpoint')
        path.write_bytes(content)
        try:
            return read_checkpoint(path, map_location)
        except CheckpointError as error:
            raise CheckpointError(str(error).replace(str(path), filename)) from error


def load_from_name(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Download a checkpoint that mmengine has a name for, such as ``torchvision://resnet50``.

    Args:
        filename: One of mmengine's schemes ``torchvision``, ``modelzoo``, ``open-mmlab``,
            ``openmmlab`` and ``mmcls``, and a name.
        map_location: Where to put the tensors. Defaults to None, the CPU.

    Returns:
        The checkpoint, as of :func:`wrn.checkpoints.read_checkpoint`; of ``mmcls``, as mmengine
        does, the backbone alone.

    Raises:
        CheckpointError: If mmengine does not know the name, or the download fails.
    """
    scheme, name = filename.split('://')
    urls = _TABLES[scheme]()
    name = get_deprecated_model_names().get(name, name)
    if name not in urls:
        hint = did_you_mean(name, urls)
        raise CheckpointError(f'{filename}: mmengine knows no weights of this name{hint}')
    source = urls[name]
    if '://' not in source:  # a user's own entry, which is relative to mmengine's folder
        source = str(Path(_get_mmengine_home(), source))
    checkpoint = CheckpointLoader.load_checkpoint(source, map_location, logger='silent')
    if scheme == 'mmcls':
        weights = unwrap(checkpoint, filename).state_dict
        prefix = 'backbone.'
        weights = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        return dict(state_dict=weights)
    return checkpoint


_TABLES: dict[str, Callable[[], dict[str, str]]] = {
    'torchvision': get_torchvision_models,
    'modelzoo': get_torchvision_models,
    'open-mmlab': get_external_models,
    'openmmlab': get_external_models,
    'mmcls': get_mmcls_models,
}


def register() -> None:
    """Make mmengine read every checkpoint through this package, wherever it comes from.

    mmengine's own loaders of URLs, and so of names, unpickle without ``weights_only``; those of
    its fork do so whenever the safe way fails.
    """
    for prefixes, loader in (
        ([''], load_from_local),
        (ADDRESSES, load_from_source),
        ([r'(\S+\:)?s3://', r'(\S+\:)?petrel://', 'pavi://'], load_from_storage),
        ([f'{scheme}://' for scheme in _TABLES], load_from_name),
    ):
        CheckpointLoader.register_scheme(prefixes, loader, force=True)
