"""Open a file of weights: find it by its path or URL, verify it, and read it."""

from dataclasses import dataclass
from pathlib import Path

from mmengine.runner import CheckpointLoader
from modelindex.models.Model import Model

from wrn.checkpoints.reader import read_checkpoint
from wrn.checkpoints.unwrap import to_openmmlab
from wrn.checkpoints.weights import ReadOptions, Weights
from wrn.download import fetch, hash_in_name, map_url
from wrn.utils.files import hash_file
from wrn_base import model_index
from wrn_base.credentials import mask_credentials
from wrn_base.errors import CheckpointError, did_you_mean

ADDRESSES = ('http://', 'https://', 'hf://', model_index.SCHEME)


@dataclass
class CheckpointFile:
    """A file of weights that has been read.

    Attributes:
        name: The path or URL that it was opened by, without credentials.
        path: The local file; None in an object store.
        entry: The published model that the weights belong to; None for any other file.
        weights: The content, under OpenMMLab's keys.
    """

    name: str
    path: Path | None
    entry: Model | None
    weights: Weights


def open_checkpoint(
    name: str,
    options: ReadOptions = ReadOptions(),
    url_mapping: tuple[str, str] | None = None,
    typed: bool = True,
) -> CheckpointFile:
    """Read weights from a path or URL, and find the published model that they belong to.

    Args:
        name: A path, or a URL with a scheme that is registered with mmengine.
        options: As for :func:`wrn.checkpoints.to_openmmlab`. Defaults to the usual.
        url_mapping: A pattern and its replacement for the path or URL, or for each URL of published
            weights. Defaults to None.
        typed: As for :func:`wrn.download.trust.check_source`. Defaults to True.

    Raises:
        CheckpointError: If the file is missing, cannot be read, or is not the published file that
            its name claims.
    """
    mapped = map_url(name, url_mapping)
    if '://' in mapped and not mapped.startswith(ADDRESSES):
        checkpoint = CheckpointLoader.load_checkpoint(mapped, map_location='cpu', logger='silent')
        name = mask_credentials(name)
        return CheckpointFile(name, None, None, to_openmmlab(checkpoint, name, options))
    if mapped.startswith(ADDRESSES):
        path, entry = locate(name, url_mapping, typed)  # verifies the hash
        entry = entry or model_index.find_by_file(path.name)
    else:
        path = Path(mapped).expanduser()
        entry = _find_published(path)
    name = mask_credentials(name)
    title = entry.name if entry and '://' in name else name
    return CheckpointFile(name, path, entry, to_openmmlab(read_checkpoint(path), title, options))


def find_entry(name: str) -> Model | None:
    """Return the published model that a path or URL of weights belongs to.

    Args:
        name: As for :func:`open_checkpoint`.

    Raises:
        CheckpointError: If a local file is not the published one that its name claims.
    """
    if name.startswith(model_index.SCHEME):
        return model_index.find(name.removeprefix(model_index.SCHEME))
    return model_index.find_by_file(name) if '://' in name else _find_published(Path(name))


def _find_published(path: Path) -> Model | None:
    """Return the model with a published file of this name, after a check of the file's hash."""
    entry = model_index.find_by_file(path.name)
    expected = model_index.sha256_of(path.name) or (entry and hash_in_name(path.name))
    if expected and path.is_file() and not hash_file(path).startswith(expected):
        raise CheckpointError(
            f'{path}: not the published file of this name (its SHA-256 differs); download it '
            'again, or rename it if it is another file'
        )
    return entry


def locate(
    url: str, url_mapping: tuple[str, str] | None = None, typed: bool = False
) -> tuple[Path, Model | None]:
    """Return the local file of a URL, downloaded if it is not in the cache.

    Args:
        url: ``https://...``, ``hf://USER/REPO[/FILE][@REVISION]`` or ``wrn://NAME``.
        url_mapping: As for :func:`wrn.download.fetch`. Defaults to None.
        typed: As for :func:`wrn.download.trust.check_source`. Defaults to False.

    Returns:
        The path of the file; and the model, if the URL belongs to its published weights:
        ``wrn://NAME``, or the URL of OpenMMLab's file. The other URLs of the model are tried too.

    Raises:
        CheckpointError: If there is no such file, or it cannot be downloaded.
    """
    if url.startswith(model_index.SCHEME):
        name = url.removeprefix(model_index.SCHEME)
        entry = model_index.find(name)
        if entry is None or not entry.weights:
            model_index.reject_ambiguous(name)
            known = [entry.name for entry in model_index.models().values() if entry.weights]
            hint = did_you_mean(name, known, '; `wrn list` shows all')
            if entry or model_index.find_config(name):
                hint = ', which is a config alone; `wrn list` shows those with weights'
            raise CheckpointError(f'{url}: no weights of this name{hint}')
    else:
        entry = model_index.find_by_file(url)
        if entry is None or entry.name not in url:
            return fetch([url], url, url_mapping, read_checkpoint, typed), None
    if urls := model_index.urls(entry):
        return fetch(urls, entry.name, url_mapping, read_checkpoint), entry
    path = Path(entry.weights)
    _find_published(path)
    return path, entry


def localize(checkpoint: str) -> str:
    """Download a checkpoint that the user gave by its URL.

    Args:
        checkpoint: A path or URL.

    Returns:
        The path of the downloaded file. Paths and names are returned as they are.

    Raises:
        CheckpointError: If the file cannot be downloaded.
    """
    if checkpoint.startswith(('http://', 'https://', 'hf://')):
        return str(locate(checkpoint, typed=True)[0])
    return checkpoint
