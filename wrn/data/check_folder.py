"""Check the images of a data folder: each must be complete, unique, and in one class."""

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wrn.data.class_folders import NO_IMAGE, Problem, Split
from wrn.data.damage import Damage, find_damage
from wrn.data.depth import find_largest, needed_bits
from wrn.data.images import get_content, prefetch
from wrn.data.listing import list_splits
from wrn.utils.csv_text import format_csv
from wrn.utils.files import write_atomically
from wrn_base.errors import one_line

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
    'empty': 'splits and class folders without images',
    'classes': 'class folders that are missing in a split',
}
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
    """The files that are left out and are no images, such as ``Thumbs.db``."""

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

        These are ``files`` and ``classes`` of each of the ``splits``; ``problems``; and ``notes``.
        Each of these has a ``kind``, which is a key of :data:`KINDS`, a ``path`` and a ``reason``.
        """
        splits = {s.name: dict(files=len(s.files), classes=s.classes) for s in self.splits}
        problems, notes = ([p._asdict() for p in listed] for listed in (self.problems, self.notes))
        return dict(splits=splits, problems=problems, notes=notes)


def check_folder(
    folder: str | Path,
    ann_file: str | Path | None = None,
    workers: int | None = None,
    track: Callable[[Iterable[int], int], Iterable[int]] = lambda steps, total: steps,
) -> Report:
    """Check a data folder.

    Memory grows by a path, a label and 16 bytes of the SHA-256 for each file.

    Args:
        folder: As for :func:`wrn.data.listing.list_splits`.
        ann_file: As for :func:`wrn.data.listing.list_splits`. Defaults to None.
        workers: The number of threads. Defaults to None: one for each core.
        track: Shows the progress. Its arguments are an iterable of the number of files in each
            step, and the number of all files. It yields from the iterable. Defaults to showing
            nothing.

    Returns:
        The splits and their problems.

    Raises:
        WrnError: If the folder cannot be read, or has no images.
    """
    splits = list_splits(Path(folder), Path(ann_file) if ann_file else None)
    files = [file for split in splits for file in split.files]
    digests = np.zeros(len(files), f'S{_DIGEST}')
    damages: list[Problem] = []
    deep: dict[str, int] = {}

    def steps() -> Iterator[int]:
        paths = (os.path.join(folder, file) for file in files)
        for i, (digest, damage, largest) in enumerate(check_files(paths, workers)):
            digests[i] = digest
            if damage:
                damages.append(Problem(damage.kind, files[i], damage.reason))
            if largest is not None:
                deep[files[i]] = largest
            yield 1

    for _ in track(steps(), len(files)):
        pass
    named = [problem for split in splits for problem in split.problems]
    problems = [problem for problem in named if problem.kind != NO_IMAGE]
    problems += damages + _find_small_ranges(deep) + _find_duplicates(splits, digests)
    return Report(splits, problems, [problem for problem in named if problem.kind == NO_IMAGE])


def _find_small_ranges(deep: dict[str, int]) -> list[Problem]:
    """Note images of more than 8 bits, by their largest value, if all use few of their bits."""
    bits = needed_bits(max(deep.values(), default=None))
    reason = 'values up to {} of 65535; `wrn finetune --bit-depth {}` reads them as {} bits'
    return [
        Problem('depth', file, reason.format(n, bits, bits)) for file, n in deep.items() if bits
    ]


def check_files(
    paths: Iterable[str], workers: int | None = None
) -> Iterator[tuple[bytes, Damage | None, int | None]]:
    """Check image files in threads, since decoding and hashing release the GIL.

    Args:
        paths: The files.
        workers: The number of threads. Defaults to None: one for each core.

    Yields:
        For each file the start of its hash, its damage, and its largest value if it has more than
        8 bits. The hash is empty if the file cannot be used. The others are None if there is none.
    """
    workers = workers or os.cpu_count() or 1
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Pillow warns about damage that it tolerates
        yield from prefetch(_check_file, paths, workers, _AHEAD * workers)


def _check_file(path: str) -> tuple[bytes, Damage | None, int | None]:
    try:
        content = get_content(path)
    except FileNotFoundError:
        return b'', Damage('missing', 'file not found'), None
    except (OSError, ValueError) as error:
        return b'', Damage('unreadable', f'cannot be read ({one_line(error)})'), None
    damage = find_damage(content, path)
    if damage and damage.kind in ('unreadable', 'range', 'truncated'):
        return b'', damage, None
    return hashlib.sha256(content).digest()[:_DIGEST], damage, find_largest(content, path)


def _find_duplicates(splits: list[Split], digests: np.ndarray) -> list[Problem]:
    """Compare each file with the first one of the same content."""
    ends = np.cumsum([len(split.files) for split in splits])
    order = np.argsort(digests, kind='stable')
    ordered = digests[order]
    repeats = np.flatnonzero((ordered[1:] == ordered[:-1]) & (ordered[1:] != b'')) + 1
    firsts = np.searchsorted(ordered, ordered[repeats])

    def look_up(i: int) -> tuple[Split, str, int | None]:
        place = int(np.searchsorted(ends, i, side='right'))
        split, i = splits[place], i - int(ends[place])
        return split, split.files[i], split.labels[i]

    problems = []
    for i, j in sorted(zip(order[repeats].tolist(), order[firsts].tolist(), strict=True)):
        (split, file, label), (other, first, other_label) = look_up(i), look_up(j)
        reason = f'same content as {first}' if file != first else 'listed before'
        kinds = ['leak'] if split is not other else []
        if label is not None and other_label is not None:
            if split.classes and other.classes:  # the same class may have different labels
                conflict = split.classes[label] != other.classes[other_label]
            else:
                conflict = label != other_label
            kinds += ['conflict'] if conflict else []
        problems += [Problem(kind, file, reason) for kind in kinds or ['duplicate']]
    return problems
