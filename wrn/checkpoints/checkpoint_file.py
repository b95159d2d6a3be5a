"""A file of weights: found by path or address, verified, and read."""

from dataclasses import dataclass
from pathlib import Path

from mmengine.runner import CheckpointLoader
from modelindex.models.Model import Model

from wrn.checkpoints.reader import read_checkpoint
from wrn.checkpoints.weights import Weights, to_openmmlab
from wrn.config import model_index
from wrn.download import fetch, hash_in_name, map_url
from wrn.utils.errors import CheckpointError, did_you_mean
from wrn.utils.files import hash_file

ADDRESSES = ('http://', 'https://', 'hf://', model_index.SCHEME)


@dataclass
class CheckpointFile:
    """A file of weights that has been read.

    Attributes:
        source: The path or address that was asked for.
        path: The file; None if the address is of an object store.
        entry: The model whose published weights it has; None if that is of no known file.
        weights: What it holds, under OpenMMLab's keys.
    """

    source: str
    path: Path | None
    entry: Model | None
    weights: Weights


def open_checkpoint(
    source: str, key: str | None = None, url_mapping: tuple[str, str] | None = None
) -> CheckpointFile:
    """Read weights, wherever they come from, and find out whose they are.

    Args:
        source: A path, or an address of a registered scheme.
        key: As for :func:`wrn.checkpoints.unwrap.unwrap`. Defaults to None.
        url_mapping: A pattern and a replacement for the path or URL, or for each URL of published
            weights. Defaults to None.

    Returns:
        The file and its content.

    Raises:
        CheckpointError: If it is missing or cannot be read, or is not what its name says.
    """
    mapped = map_url(source, url_mapping) if url_mapping else source
    if '://' in mapped and not mapped.startswith(ADDRESSES):
        checkpoint = CheckpointLoader.load_checkpoint(mapped, map_location='cpu', logger='silent')
        return CheckpointFile(source, None, None, to_openmmlab(checkpoint, source, key))
    if mapped.startswith(ADDRESSES):
        path, entry = locate(source, url_mapping)  # which verifies what it finds
        entry = entry or model_index.find_by_file(path.name)
    else:
        path = Path(mapped).expanduser()
        entry = _find_published(path)
    name = source if entry is None or '://' not in source else entry.name
    return CheckpointFile(source, path, entry, to_openmmlab(read_checkpoint(path), name, key))


def _find_published(path: Path) -> Model | None:
    """Find the model of a file that has the name of a published one, and verify its hash."""
    entry, expected = model_index.find_by_file(path.name), hash_in_name(path.name)
    if entry and expected and path.is_file() and not hash_file(path).startswith(expected):
        raise CheckpointError(
            f'{path}: not the published file of this name (its SHA-256 differs); download it '
            'again, or rename it if the weights are others'
        )
    return entry


def locate(address: str, url_mapping: tuple[str, str] | None = None) -> tuple[Path, Model | None]:
    """Find the file that an address means, in the cache or at its source.

    Args:
        address: A URL, ``hf://USER/REPO[/FILE][@REVISION]`` or ``wrn://NAME``.
        url_mapping: As for :func:`wrn.download.fetch`. Defaults to None.

    Returns:
        The path of the file, and the model whose published weights it has, if the address is that
        of one: ``wrn://NAME``, or the URL of OpenMMLab's file, which leads to the other sources.

    Raises:
        CheckpointError: If there is no such file, or it cannot be had.
    """
    if address.startswith(model_index.SCHEME):
        entry = model_index.find(address.removeprefix(model_index.SCHEME))
        if entry is None or not entry.weights:
            known = [entry.name for entry in model_index.models().values() if entry.weights]
            hint = did_you_mean(
                address.removeprefix(model_index.SCHEME), known, '; `wrn list` shows all'
            )
            raise CheckpointError(f'{address}: there are no such weights{hint}')
    else:
        entry = model_index.find_by_file(address)
        if entry is None or entry.name not in address:
            return fetch([address], address, url_mapping, read_checkpoint), None
    if not model_index.sources(entry):
        return Path(entry.weights), entry
    return fetch(model_index.sources(entry), entry.name, url_mapping, read_checkpoint), entry
