"""Where checkpoints come from: the loaders that mmengine calls for a path or URL."""

import hashlib
import re
import tempfile
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from mmengine import fileio
from mmengine.dist import barrier, is_main_process
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import (
    _get_mmengine_home,
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
)

from wrn.errors import CheckpointError, did_you_mean
from wrn.weights.fitting import get_state_dict
from wrn.weights.reading import read_checkpoint

# Eight digits that are a date are no hash.
_HASH_IN_NAME = re.compile(r'-(?!20[0-3]\d[01]\d[0-3]\d\.)([0-9a-f]{8,})\.\w+$')


def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint from a path.

    mmengine logs the name of a loader, without its first ten letters, as that of a backend.

    Args:
        filename: The path.
        map_location: Where to put the tensors. Defaults to None, the CPU.

    Returns:
        The checkpoint, as of :func:`wrn.weights.read_checkpoint`.

    Raises:
        CheckpointError: If it cannot be read, or is an address that mmengine has no loader for.
    """
    if '://' in filename:
        raise CheckpointError(f'{filename}: nothing is known of such addresses; give a path or URL')
    return read_checkpoint(filename, map_location)


def load_from_http(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Download a checkpoint to torch hub's cache and read it from there.

    Of a distributed job whose nodes share the cache, only the main process downloads. If the file
    name carries a hash, as those of OpenMMLab, torchvision and timm do, the SHA-256 of the file
    must begin with it, whether it is downloaded or was in the cache.

    Args:
        filename: The URL.
        map_location: Where to put the tensors. Defaults to None, the CPU.

    Returns:
        The checkpoint, as of :func:`wrn.weights.read_checkpoint`.

    Raises:
        CheckpointError: If the download fails, or its hash is wrong.
    """
    name = Path(urlparse(filename).path).name
    cache = Path(torch.hub.get_dir(), 'checkpoints')
    hashed = _HASH_IN_NAME.search(name)
    expected = hashed[1] if hashed else None
    if not expected:  # other sites may have files of the same name
        cache = cache / hashlib.sha256(filename.encode()).hexdigest()[:8]
    cached = cache / name
    known = cached.is_file()
    if is_main_process() and not known:
        _download(filename, cached, expected)
    barrier()
    if not cached.is_file():  # on another node, which does not share the cache
        _download(filename, cached, expected)
    if known and expected and not _sha256(cached).startswith(expected):
        raise CheckpointError(
            f"{cached}: the file's SHA-256 does not begin with {expected}, as its name says; "
            'delete it to download it again'
        )
    try:
        return read_checkpoint(cached, map_location)
    except CheckpointError:
        if not known:  # what the server sent in place of weights must not stay
            cached.unlink(missing_ok=True)
        raise


def _download(url: str, target: Path, expected: str | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Writes to a temporary file, checks the hash, and only then renames.
        torch.hub.download_url_to_file(url, str(target), expected)
    except (OSError, HTTPException, RuntimeError, ValueError) as error:
        raise CheckpointError(
            f'{url}: the download failed ({error}); give the path of a local file instead, or put '
            f'the file at {target}'
        ) from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def load_from_storage(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint from an object store that mmengine has a backend for, such as ``s3://``.

    Args:
        filename: The address.
        map_location: Where to put the tensors. Defaults to None, the CPU.

    Returns:
        The checkpoint, as of :func:`wrn.weights.read_checkpoint`.

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
        The checkpoint, as of :func:`wrn.weights.read_checkpoint`; of ``mmcls``, as mmengine
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
        weights = get_state_dict(checkpoint, filename)
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
        (['http://', 'https://'], load_from_http),
        ([r'(\S+\:)?s3://', r'(\S+\:)?petrel://', 'pavi://'], load_from_storage),
        ([f'{scheme}://' for scheme in _TABLES], load_from_name),
    ):
        CheckpointLoader.register_scheme(prefixes, loader, force=True)
