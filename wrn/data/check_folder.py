"""Check the images of a data folder: each must be complete, unique, and in one class."""

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wrn.data.class_folders import NO_IMAGE, SINGLE, Problem, Split
from wrn.data.damage import Damage, find_damage
from wrn.data.depth import find_largest, needed_bits
from wrn.data.duplicates import find_alike, find_duplicates
from wrn.data.images import get_content, prefetch
from wrn.data.listing import list_splits
from wrn.data.near_duplicates import check_available
from wrn.data.perceptual_hash import hash_content
from wrn.utils.csv_text import format_csv
from wrn.utils.files import write_atomically
from wrn_base.errors import WrnError, one_line

KINDS = {
    'unreadable': 'files that cannot be decoded',
    'range': 'images whose range of values is unknown',
    'truncated': 'truncated images',
    'changed': 'images with a wrong checksum, which are read nevertheless',
    'depth': 'images with values in a small part of their 16 bits',
    'misnamed': 'images in a different format from their extension',
    'ignored': 'images, folders and links that are left out',
    NO_IMAGE: 'files that are left out, and are no images',
    'missing': 'files in an annotation file that are not found',
    'annotation': 'invalid lines of an annotation file',
    'labels': 'annotation files without the label 0',
    'duplicate': 'files with the same content as another of the same class',
    'conflict': 'files with the same content as another of a different class',
    'leak': 'files with the same content as another of a different split',
    'near-duplicate': 'images that look like another of the same class',
    'near-conflict': 'images that look like another of a different class',
    'near-leak': 'images that look like another of a different split',
    'empty': 'splits and class folders without images',
    'classes': 'class folders that are missing in a split, or differ from another only in case',
    SINGLE: 'class folders with one image',
}
_NOTES = (NO_IMAGE, SINGLE)
_AHEAD = 64  # files that a thread may be ahead of the others
_DIGEST = 16  # bytes


@dataclass
class Report:
    """The result of a check."""

    splits: list[Split]
    """The splits that were checked."""
    problems: list[Problem]
    """The problems: first those that names alone show, then those of the contents."""
    notes: list[Problem]
    """What is no problem: files that are left out and are no images, such as ``Thumbs.db``, and
    class folders with one image."""
    near: str = ''
    """What was compared to find images that look alike. Empty if they were not searched for."""

    def write(self, path: str | Path, overwrite: bool = False) -> None:
        """Write problems and notes as CSV, or as JSON with the classes and files of each split.

        Args:
            path: The file. Its extension, ``.csv`` or ``.json``, determines the format.
            overwrite: Whether to replace a file that exists. Defaults to False.

        Raises:
            WrnError: If the file cannot be written, or exists.
        """
        if Path(path).suffix == '.csv':
            content = format_csv([Problem._fields, *self.problems, *self.notes])
        else:
            content = json.dumps(self.to_json(), indent=1).encode()
        with write_atomically(path, overwrite) as file:
            file.write(content)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, which JSON can hold.

        These are ``files`` and ``classes`` of each of the ``splits``; ``near``; ``problems``; and
        ``notes``. Each of the last two has a ``kind``, which is a key of :data:`KINDS`, a ``path``
        and a ``reason``.
        """
        splits = {s.name: dict(files=len(s.files), classes=s.classes) for s in self.splits}
        problems, notes = ([p._asdict() for p in listed] for listed in (self.problems, self.notes))
        return dict(splits=splits, problems=problems, notes=notes, near=self.near)


def check_folder(
    folder: str | Path,
    ann_file: str | Path | None = None,
    workers: int | None = None,
    track: Callable[[Iterable[int], int], Iterable[int]] = lambda steps, total: steps,
    near: bool = False,
) -> Report:
    """Check a data folder.

    Memory grows by a path, a label and 16 bytes of the SHA-256 for each file, and by some hundred
    bytes with ``near``.

    Args:
        folder: As for :func:`wrn.data.listing.list_splits`.
        ann_file: As for :func:`wrn.data.listing.list_splits`. Defaults to None.
        workers: The number of threads. Defaults to None: one for each core.
        track: Shows the progress. Its arguments are an iterable of the number of files in each
            step, and the number of all files. It yields from the iterable. Defaults to showing
            nothing.
        near: Whether to find images that look alike, too, by perceptual hashes. Defaults to False.

    Returns:
        The splits and their problems.

    Raises:
        WrnError: If an argument has a wrong type, or the folder cannot be read, or has no images;
            or if ``near`` is given without the package imagehash.
    """
    for name, value in (('folder', folder), ('ann_file', ann_file or '')):
        if not isinstance(value, str | os.PathLike):
            raise WrnError(f'{name}: is of type {type(value).__name__}; give a path')
    if not isinstance(near, bool):
        raise WrnError(f'near: is of type {type(near).__name__}; give True or False')
    if near:
        check_available('--near')
    splits = list_splits(Path(folder), Path(ann_file) if ann_file else None)
    files = [file for split in splits for file in split.files]
    digests = np.zeros(len(files), f'S{_DIGEST}')
    damages: list[Problem] = []
    deep: dict[str, int] = {}
    hashes: list[int | None] = []

    def steps() -> Iterator[int]:
        paths = (os.path.join(folder, file) for file in files)
        for i, checked in enumerate(check_files(paths, workers, near)):
            digests[i], damage, largest, value = checked
            hashes.append(value)
            if damage:
                damages.append(Problem(damage.kind, files[i], damage.reason))
            if largest is not None:
                deep[files[i]] = largest
            yield 1

    for _ in track(steps(), len(files)):
        pass
    named = [problem for split in splits for problem in split.problems]
    problems = [problem for problem in named if problem.kind not in _NOTES]
    problems += damages + _find_small_ranges(deep) + find_duplicates(splits, digests)
    report = Report(splits, problems, [problem for problem in named if problem.kind in _NOTES])
    if near:
        alike, report.near = find_alike(splits, digests, hashes)
        report.problems += alike
    return report


def _find_small_ranges(deep: dict[str, int]) -> list[Problem]:
    """Note images of more than 8 bits, by their largest value, if all use few of their bits."""
    bits = needed_bits(max(deep.values(), default=None))
    reason = 'values up to {} of 65535; `wrn finetune --bit-depth {}` reads them as {} bits'
    return [
        Problem('depth', file, reason.format(n, bits, bits)) for file, n in deep.items() if bits
    ]


class _Checked(NamedTuple):
    """What the content of a file shows."""

    digest: bytes = b''
    """The start of its SHA-256. Empty if it cannot be used."""
    damage: Damage | None = None
    largest: int | None = None
    """The largest value of an image of more than 8 bits."""
    hash: int | None = None
    """The perceptual hash, if it is asked for and the image has one."""


def check_files(
    paths: Iterable[str], workers: int | None = None, near: bool = False
) -> Iterator[_Checked]:
    """Check image files in threads, since decoding and hashing release the GIL.

    Args:
        paths: The files.
        workers: The number of threads. Defaults to None: one for each core.
        near: Whether to compute perceptual hashes. Defaults to False.

    Yields:
        What the content of each file shows.
    """
    workers = workers or os.cpu_count() or 1
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Pillow warns about damage that it tolerates
        yield from prefetch(partial(_check_file, near=near), paths, workers, _AHEAD * workers)


def _check_file(path: str, near: bool = False) -> _Checked:
    try:
        content = get_content(path)
    except FileNotFoundError:
        return _Checked(damage=Damage('missing', 'file not found'))
    except (OSError, ValueError) as error:
        return _Checked(damage=Damage('unreadable', f'cannot be read ({one_line(error)})'))
    damage = find_damage(content, path)
    if damage and damage.kind in ('unreadable', 'range', 'truncated'):
        return _Checked(damage=damage)
    digest = hashlib.sha256(content).digest()[:_DIGEST]
    value = hash_content(content, path) if near else None
    return _Checked(digest, damage, find_largest(content, path), value)
