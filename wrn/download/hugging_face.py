"""Download weights from the Hugging Face hub by ``hf://USER/REPO[/FILE][@REVISION]``."""

import logging
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import RepositoryNotFoundError

from wrn.download.trust import may_send_token, say_mirror
from wrn.utils.files import hash_file
from wrn_base.errors import DownloadError, one_line, some

_logger = logging.getLogger('wrn')
_ADDRESS = re.compile(r'hf://([^/@]+/[^/@]+)(?:/([^@]+))?(?:@(.+))?')
HOST = 'huggingface.co'
LOG_IN = 'log in with `hf auth login`, or set HF_TOKEN'
_HIDDEN = f'there is no such repository, or it is private: check the name, or {LOG_IN}'
_TIMEOUT = 10.0  # seconds
_DEFAULT_NAME = 'model.safetensors'
_SUFFIXES = ('.safetensors', '.pth', '.bin', '.pt')
_SHA256 = re.compile(r'[0-9a-f]{64}')


def parse(address: str) -> tuple[str, str | None, str | None]:
    """Split an address.

    Args:
        address: An address such as ``hf://timm/wide_resnet50_2.tv_in1k/model.safetensors@main``.

    Returns:
        The repository, the file and the revision. The last two may be None.

    Raises:
        DownloadError: If the address is invalid.
    """
    match = _ADDRESS.fullmatch(address)
    if not match:
        raise DownloadError('not of the form hf://USER/REPO[/FILE][@REVISION]')
    return match[1], match[2], match[3]


def find(address: str) -> Path | None:
    """Find a file in the hub's cache without using the network.

    Args:
        address: The address of the file.

    Returns:
        The path of the file. None if it is not in the cache.
    """
    try:
        repo, file, revision = parse(address)
        folder = Path(
            huggingface_hub.snapshot_download(repo, revision=revision, local_files_only=True)
        )
        names = [
            path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file()
        ]
        return folder / _choose(names, file)
    except (OSError, ValueError):  # the repository or the file is not in the cache
        return None


def download(address: str) -> Path:
    """Download a file to the hub's cache, unless the cache has the newest version.

    The SHA-256 of the file is compared with the one that the hub reports.

    Args:
        address: The address of the file.

    Returns:
        The path of the file in the cache.

    Raises:
        DownloadError: If the file cannot be downloaded, or its SHA-256 is wrong.
    """
    repo, file, revision = parse(address)
    if (host := urlsplit(constants.ENDPOINT).hostname) != HOST:
        say_mirror(host or '', 'HF_ENDPOINT')
    token = None  # that of the user, if there is one
    if not may_send_token(constants.ENDPOINT):
        token = False
        if huggingface_hub.get_token():
            _logger.warning('%s: gets no token without https://', host)
    try:
        if file is None:
            info = huggingface_hub.model_info(
                repo, revision=revision, timeout=_TIMEOUT, token=token
            )
            file = _choose([sibling.rfilename for sibling in info.siblings or []], None)
        # This request fails at once if the server is unreachable; the download would retry.
        url = huggingface_hub.hf_hub_url(repo, file, revision=revision)
        found: Any = huggingface_hub.get_hf_file_metadata(url, timeout=_TIMEOUT, token=token)
        path = Path(huggingface_hub.hf_hub_download(repo, file, revision=revision, token=token))
    except DownloadError:
        raise
    except Exception as error:  # from the hub's client, its HTTP library or the file system
        reason = _HIDDEN if isinstance(error, RepositoryNotFoundError) else one_line(error)
        if cached := find(address):
            _logger.warning('%s: %s; using the cached version', address, reason)
            return cached
        raise DownloadError(reason) from error
    etag = found.etag or ''
    same = found.commit_hash in path.parts  # False if there was a new commit in between
    if same and _SHA256.fullmatch(etag) and hash_file(path) != etag:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise DownloadError(f'wrong SHA-256 (expected {etag})')
    return path


def _choose(names: list[str], wanted: str | None) -> str:
    """Choose the file of the weights in a repository."""
    name = wanted or _DEFAULT_NAME
    if name in names:
        return name
    if wanted:
        raise DownloadError(f'the repository has no file {wanted}')
    for suffix in _SUFFIXES:
        files = [name for name in names if name.endswith(suffix)]
        if len(files) == 1:
            return files[0]
        if files:
            raise DownloadError(
                f'the repository has several files of weights ({some(files)}); append one of them '
                'to the address'
            )
    raise DownloadError('the repository has no weights')
