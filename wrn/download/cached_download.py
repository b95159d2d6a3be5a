"""Get a file from the cache, or download it from the first URL that has it."""

import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlparse

import torch
from mmengine.dist import broadcast_object_list, is_main_process

from wrn.download import http, trust
from wrn.utils.files import hash_file
from wrn_base import model_index
from wrn_base.errors import CheckpointError, DownloadError, WrnError
from wrn_base.offline import OFFLINE, is_offline

_logger = logging.getLogger('wrn')
_HUB = 'hf://'
_MAPPING = 'WRN_URL_MAPPING'
# Eight digits that are a date are not a hash.
_HASH_IN_NAME = re.compile(r'-(?!20[0-3]\d[01]\d[0-3]\d\.)([0-9a-f]{8,})\.\w+$')


def fetch(
    urls: Sequence[str],
    name: str,
    url_mapping: tuple[str, str] | None = None,
    check: Callable[[Path], object] | None = None,
    typed: bool = False,
) -> Path:
    """Get a file from the cache, or download it from the first URL that has it.

    Files from web servers are cached in torch hub's folder (``TORCH_HOME``), where torch,
    torchvision and timm cache theirs. Files from the Hugging Face hub are cached in the hub's own
    folder (``HF_HOME``). In a distributed job, only the main process downloads, and one process on
    each node that does not share the cache. ``WRN_OFFLINE=1`` disables downloads.

    Args:
        urls: The URLs of the file in the order to try them. On the Hugging Face hub a URL is
            ``hf://USER/REPO/FILE``. The file names of OpenMMLab, torchvision and timm end in a
            hash. If there is one, the SHA-256 of the file must begin with it. Cached files are
            verified, too. The whole hash of a file in the model index is used where it is known.
        name: The name of the file in messages.
        url_mapping: A pattern to replace in each URL, and its replacement, such as
            ``('https://github.com', 'https://mirror')``. Defaults to None: the two words in
            ``WRN_URL_MAPPING``.
        check: As in :func:`wrn.download.http.download`. Defaults to None.
        typed: As in :func:`wrn.download.trust.check_source`. Defaults to False.

    Returns:
        The path of the file in the cache.

    Raises:
        CheckpointError: If no URL has the file.
        WrnError: If the cache cannot be written to, or the mapping is invalid.
    """
    mapping = url_mapping or mapping_from_environment()
    mapped = {url: url if url.startswith(_HUB) else map_url(url, mapping) for url in urls}
    failure: list[str | None] = [None]
    if is_main_process():
        try:
            path = _fetch(mapped, name, check, typed)
        except WrnError as error:
            failure = [str(error)]
    broadcast_object_list(failure)  # or the other processes would wait for the file
    if failure[0]:
        raise CheckpointError(failure[0])
    return path if is_main_process() else _fetch(mapped, name, check, typed)


def _fetch(
    urls: Mapping[str, str], name: str, check: Callable[[Path], object] | None, typed: bool
) -> Path:
    """Get a file. The keys of ``urls`` give its name and hash, the values are downloaded."""
    offline = is_offline()
    for url in urls:
        # A single URL on the hub may have a newer version there.
        final = len(urls) > 1 or not url.startswith(_HUB)
        if (final or offline or not is_main_process()) and (path := _cached(url)):
            return path
    if offline:
        raise CheckpointError(
            f'{name}: not in the cache, and {" or ".join(OFFLINE)} disables the download from '
            f'{", ".join(urls.values())}; {_suggest_fix(urls)}'
        )
    failures = []
    for url, mapped in urls.items():
        try:
            return _download(url, mapped, check, typed)
        except DownloadError as error:
            failures.append(str(error) if mapped == name else f'{mapped}: {error}')
            if len(failures) < len(urls):
                _logger.warning('%s: %s; trying the next URL', mapped, error)
    raise CheckpointError(
        f'{name}: cannot be downloaded ({"; ".join(failures)}); {_suggest_fix(urls)}'
    )


def _suggest_fix(urls: Iterable[str]) -> str:
    if paths := [_cache_path(url) for url in urls if not url.startswith(_HUB)]:
        return f'put {paths[0].name} into {paths[0].parent}, or give the path of a file'
    return 'give the path of a file, or copy the cache of another machine to HF_HOME'


def _cached(url: str) -> Path | None:
    if url.startswith(_HUB):
        from wrn.download import hugging_face

        return hugging_face.find(url)
    path = _cache_path(url)
    if not path.is_file():
        return None
    if (expected := _known_hash(url)) and not hash_file(path).startswith(expected):
        raise CheckpointError(
            f'{path}: wrong SHA-256 (expected {expected}); delete it to download it again'
        )
    return path


def _download(url: str, mapped: str, check: Callable[[Path], object] | None, typed: bool) -> Path:
    if url.startswith(_HUB):
        from wrn.download import hugging_face

        return hugging_face.download(url)
    path, expected = _cache_path(url), _known_hash(url)
    trust.check_source(url, mapped, expected, typed)
    http.download(mapped, path, expected, check, allow_downgrade=trust.is_insecure())
    return path


def _known_hash(url: str) -> str | None:
    return model_index.sha256_of(_file_name(url)) or hash_in_name(url)


def _cache_path(url: str) -> Path:
    folder = Path(torch.hub.get_dir(), 'checkpoints')
    if not hash_in_name(url):  # another site may have a different file of the same name
        folder = folder / sha256(url.encode()).hexdigest()[:8]
    return folder / _file_name(url)


def _file_name(url: str) -> str:
    try:
        name = Path(urlparse(url).path).name
    except ValueError as error:
        raise CheckpointError(f'{url}: not a valid URL ({error}); correct it') from error
    if name in ('', '..'):
        raise CheckpointError(f'{url}: has no file name; give the URL of a file')
    return name


def hash_in_name(url: str) -> str | None:
    """Return the hash at the end of a file name.

    Args:
        url: The URL, path or name of the file.

    Returns:
        The first digits of the file's SHA-256. None if the name has no hash.
    """
    match = _HASH_IN_NAME.search(_file_name(url))
    return match[1] if match else None


def stem_without_hash(url: str) -> str:
    """Return the name of a file without its extension and without the hash before that.

    Args:
        url: The URL, path or name of the file.
    """
    return Path(_file_name(url)).stem.removesuffix(f'-{hash_in_name(url) or ""}')


def map_url(url: str, mapping: tuple[str, str] | None) -> str:
    """Apply a URL mapping.

    Args:
        url: The URL.
        mapping: A regular expression and its replacement. None changes nothing.

    Raises:
        WrnError: If the mapping is not a regular expression and a replacement.
    """
    if mapping is None:
        return url
    try:
        pattern, replacement = mapping
        return re.sub(pattern, replacement, url)
    except (re.error, TypeError, ValueError, IndexError) as error:
        raise WrnError(
            f'url_mapping {mapping!r}: not a pattern and its replacement ({error}); give two '
            'strings, such as ("https://github.com", "https://mirror")'
        ) from error


def mapping_from_environment() -> tuple[str, str] | None:
    """Return the pattern and the replacement in ``WRN_URL_MAPPING``. None if it is not set.

    Raises:
        WrnError: If the variable has not exactly two words.
    """
    value = os.environ.get(_MAPPING, '')
    words = value.split()
    if len(words) not in (0, 2):
        raise WrnError(
            f'{_MAPPING} {value!r}: not a pattern and its replacement, separated by a space; set '
            'two words, such as "https://github.com https://mirror"'
        )
    return (words[0], words[1]) if words else None
