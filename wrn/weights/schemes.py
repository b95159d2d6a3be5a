"""Where checkpoints come from: the loaders that mmengine calls for a path or URL."""

import re
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, is_main_process
from mmengine.runner import CheckpointLoader

from wrn.errors import CheckpointError
from wrn.weights.reading import read_checkpoint

_HASH_IN_NAME = re.compile(r'-([0-9a-f]{8,})\.\w+$')


def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint from a path, for :class:`mmengine.runner.CheckpointLoader`.

    Args:
        filename: The path.
        map_location: Where to put the tensors. Defaults to None, the CPU.

    Returns:
        The checkpoint, as of :func:`wrn.weights.read_checkpoint`.
    """
    return read_checkpoint(filename, map_location)


def load_from_http(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Download a checkpoint to torch hub's cache and read it from there.

    Only the main process of a distributed job downloads. If the file name carries a hash, as
    those of OpenMMLab, torchvision and timm do, the SHA-256 of the content must begin with it.

    Args:
        filename: The URL.
        map_location: Where to put the tensors. Defaults to None, the CPU.

    Returns:
        The checkpoint, as of :func:`wrn.weights.read_checkpoint`.

    Raises:
        CheckpointError: If the download fails, or its hash is wrong.
    """
    name = Path(urlparse(filename).path).name
    cached = Path(torch.hub.get_dir()) / 'checkpoints' / name
    if is_main_process() and not cached.is_file():
        _download(filename, cached)
    barrier()
    return read_checkpoint(cached, map_location)


def _download(url: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    expected = _HASH_IN_NAME.search(target.name)
    try:
        # Writes to a temporary file, checks the hash, and only then renames.
        torch.hub.download_url_to_file(url, str(target), expected and expected[1])
    except (URLError, OSError, RuntimeError) as error:
        raise CheckpointError(
            f'{url}: the download failed ({error}); give the path of a local file instead, or put '
            f'the file at {target}'
        ) from error


def register() -> None:
    """Make mmengine read every checkpoint through this package, from paths and from URLs."""
    CheckpointLoader.register_scheme('', load_from_local, force=True)
    CheckpointLoader.register_scheme(('http://', 'https://'), load_from_http, force=True)
