"""Get a file from the first of its sources that has it."""

import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlparse

import torch
from mmengine.dist import broadcast_object_list, is_main_process

from wrn.download import http
from wrn.utils.errors import CheckpointError, DownloadError, WrnError
from wrn.utils.files import hash_file

_LOGGER = logging.getLogger(__name__)
_HUB = 'hf://'
_OFFLINE = ('WRN_OFFLINE', 'HF_HUB_OFFLINE')
_MAPPING = 'WRN_URL_MAPPING'
# Eight digits that are a date are no hash.
_HASH_IN_NAME = re.compile(r'-(?!20[0-3]\d[01]\d[0-3]\d\.)([0-9a-f]{8,})\.\w+$')


def fetch(
    sources: Sequence[str],
    name: str,
    url_mapping: tuple[str, str] | None = None,
    check: Callable[[Path], object] | None = None,
) -> Path:
    """Get a file from the cache, or from the first of its sources that has it.

    Files from URLs are cached in torch hub's folder, which ``TORCH_HOME`` moves, as torch,
    torchvision and timm cache them; those of the Hugging Face hub in its own, which ``HF_HOME``
    moves. Of a distributed job the main process downloads, and one process of each node that does
    not share its cache. ``WRN_OFFLINE=1`` keeps to the cache.

    Args:
        sources: URLs, and addresses on the Hugging Face hub as ``hf://USER/REPO/FILE``. If the
            name of a file ends in a hash, as those of OpenMMLab, torchvision and timm do, its
            SHA-256 must begin with it, be it from the network or the cache.
        name: What the file is, for messages.
        url_mapping: A pattern and its replacement for each URL, such as
            ``('https://github.com', 'https://mirror')``. Defaults to None: those that the variable
            ``WRN_URL_MAPPING`` has, with a space between them.
        check: As for :func:`wrn.download.http.download`. Defaults to None.

    Returns:
        The path of the file in the cache.

    Raises:
        CheckpointError: If no source has it.
        WrnError: If the cache cannot be written to, or the mapping is no pattern.
    """
    mapping = url_mapping or mapping_from_environment()
    addresses = {
        source: map_url(source, mapping) if mapping and not source.startswith(_HUB) else source
        for source in sources
    }
    failure: list[str | None] = [None]
    if is_main_process():
        try:
            path = _fetch(addresses, name, check)
        except WrnError as error:
            failure = [str(error)]
    broadcast_object_list(failure)  # else the others would wait for a file that never comes
    if failure[0]:
        raise CheckpointError(failure[0])
    return path if is_main_process() else _fetch(addresses, name, check)


def _fetch(sources: Mapping[str, str], name: str, check: Callable[[Path], object] | None) -> Path:
    """Get a file; its name and hash are those of a source, which may be asked at a mirror."""
    offline = is_offline()
    for source in sources:
        # A file on the hub that stands alone may have a new version there.
        fixed = len(sources) > 1 or not source.startswith(_HUB)
        if (fixed or offline or not is_main_process()) and (path := _cached(source)):
            return path
    if offline:
        raise CheckpointError(
            f'{name}: is not in the cache, and {" or ".join(_OFFLINE)} in the environment forbids '
            f'to download it from {", ".join(sources.values())}; {_cure(sources)}'
        )
    failures = []
    for source, address in sources.items():
        try:
            return _download(source, address, check)
        except DownloadError as error:
            failures.append(f'{address}: {error}')
            if len(failures) < len(sources):
                _LOGGER.warning('%s: %s; trying the next source', address, error)
    raise CheckpointError(f'{name}: cannot be downloaded ({"; ".join(failures)}); {_cure(sources)}')


def _cure(sources: Iterable[str]) -> str:
    if targets := [_target(source) for source in sources if not source.startswith(_HUB)]:
        return f'put {targets[0].name} into {targets[0].parent}, or give the path of a file'
    return 'give the path of a file, or copy the cache of another machine to HF_HOME'


def _cached(source: str) -> Path | None:
    if source.startswith(_HUB):
        from wrn.download import hugging_face

        return hugging_face.find(source)
    target = _target(source)
    if not target.is_file():
        return None
    if (expected := hash_in_name(source)) and not hash_file(target).startswith(expected):
        raise CheckpointError(
            f"{target}: the file's SHA-256 does not begin with {expected}, as its name says; "
            'delete it to download it again'
        )
    return target


def _download(source: str, address: str, check: Callable[[Path], object] | None) -> Path:
    if source.startswith(_HUB):
        from wrn.download import hugging_face

        return hugging_face.download(source)
    http.download(address, _target(source), hash_in_name(source), check)
    return _target(source)


def _target(url: str) -> Path:
    folder = Path(torch.hub.get_dir(), 'checkpoints')
    if not hash_in_name(url):  # other sites may have files of the same name
        folder = folder / sha256(url.encode()).hexdigest()[:8]
    return folder / _name(url)


def _name(url: str) -> str:
    try:
        name = Path(urlparse(url).path).name
    except ValueError as error:
        raise CheckpointError(f'{url}: is no URL ({error})') from error
    if name in ('', '..'):
        raise CheckpointError(f'{url}: names no file; give the URL of one')
    return name


def hash_in_name(url: str) -> str | None:
    """Return the hash that the name of a file ends in.

    Args:
        url: Its URL, path or name.

    Returns:
        The first digits of the SHA-256 that the file must have; None if its name has none.
    """
    match = _HASH_IN_NAME.search(_name(url))
    return match[1] if match else None


def stem_without_hash(url: str) -> str:
    """Return the name of a file without its extension, and without the hash that it ends in.

    Args:
        url: Its URL, path or name.
    """
    return Path(_name(url)).stem.removesuffix(f'-{hash_in_name(url) or ""}')


def map_url(url: str, mapping: tuple[str, str]) -> str:
    """Put a mirror's address in the place of another.

    Args:
        url: The address.
        mapping: A pattern and its replacement.

    Returns:
        The new address.

    Raises:
        WrnError: If the mapping is no pattern and replacement.
    """
    try:
        return re.sub(*mapping, url)
    except (re.error, TypeError, IndexError) as error:
        raise WrnError(
            f'url_mapping {mapping!r}: is no pattern and replacement ({error})'
        ) from error


def is_offline() -> bool:
    """Tell whether the environment forbids to ask servers, with ``WRN_OFFLINE=1`` for one."""
    return any(os.environ.get(name, '').lower() not in ('', '0', 'false') for name in _OFFLINE)


def mapping_from_environment() -> tuple[str, str] | None:
    """Return the pattern and replacement of ``WRN_URL_MAPPING``; None if it is not set."""
    words = os.environ.get(_MAPPING, '').split()
    if len(words) not in (0, 2):
        raise WrnError(f'{_MAPPING}: has {len(words)} words, not a pattern and its replacement')
    return (words[0], words[1]) if words else None
