"""Check the pictures of a data folder: that each is whole, is there once, and has one class."""

import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wrn.data.class_folders import Problem, Split
from wrn.data.damage import Damage, find_damage
from wrn.data.listing import list_splits
from wrn.utils.files import format_csv, hash_file, write_atomically

KINDS = {
    'unreadable': 'files that cannot be decoded, links without an end',
    'truncated': 'pictures that are cut off',
    'misnamed': 'pictures of another format than their extension says',
    'ignored': 'files and folders that are left out',
    'missing': 'files that an annotation file lists and that are not there',
    'annotation': 'lines of an annotation file that are not understood',
    'duplicate': 'files with the content of another of the same class',
    'conflict': 'files with the content of another of a different class',
    'leak': 'files with the content of another of a different split',
    'empty': 'class folders without pictures',
    'classes': 'class folders that a split lacks',
}
_CHUNK = 64  # files that a thread takes at a time
_DIGEST = 16  # bytes


@dataclass
class Report:
    """What a check found."""

    splits: list[Split]
    """The splits that were checked."""
    problems: list[Problem]
    """What is wrong, in the order of the files; empty if nothing is."""

    def write(self, path: str | Path) -> None:
        """Write the problems as CSV, or with the numbers of files and classes as JSON.

        Args:
            path: The file, whose extension ``.csv`` or ``.json`` says the format.

        Raises:
            WrnError: If it cannot be written.
        """
        if Path(path).suffix == '.csv':
            content = format_csv([Problem._fields, *self.problems])
        else:
            splits = {s.name: dict(files=len(s.files), classes=s.classes) for s in self.splits}
            problems = [problem._asdict() for problem in self.problems]
            text = json.dumps(dict(splits=splits, problems=problems), indent=1)
            content = text.encode(errors='surrogateescape')
        with write_atomically(path) as file:
            file.write(content)


def check_folder(
    folder: str | Path,
    ann_file: str | Path | None = None,
    workers: int | None = None,
    track: Callable[[Iterable[int], int], Iterable[int]] = lambda steps, total: steps,
) -> Report:
    """Check a data folder.

    Threads read the files, since decoding and hashing let other threads run. Kept of a file are
    its path, its label and 16 bytes of its SHA-256.

    Args:
        folder: What :func:`wrn.data.listing.list_splits` takes.
        ann_file: As there. Defaults to None.
        workers: How many threads to use. Defaults to None, one for each core.
        track: Shows progress: it is given the numbers of files that are done with each step, and
            of all, and yields the former. Defaults to showing nothing.

    Returns:
        What was found.

    Raises:
        WrnError: If the folder cannot be read, or there are no pictures in it.
    """
    splits = list_splits(Path(folder), Path(ann_file) if ann_file else None)
    files = [file for split in splits for file in split.files]
    digests = np.zeros(len(files), f'S{_DIGEST}')
    damages: dict[int, Damage] = {}

    def check(start: int) -> int:
        chunk = files[start : start + _CHUNK]
        for i, file in enumerate(chunk, start):
            digest, damage = _check_file(os.path.join(folder, file))
            digests[i] = digest
            if damage:
                damages[i] = damage
        return len(chunk)

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Pillow's, of what it overlooks
        for _ in track(_in_threads(check, range(0, len(files), _CHUNK), workers), len(files)):
            pass
    problems = [problem for split in splits for problem in split.problems]
    problems += [Problem(damages[i].kind, files[i], damages[i].reason) for i in sorted(damages)]
    problems += _find_duplicates(splits, digests)
    return Report(splits, problems)


def _in_threads(
    function: Callable[[int], int], items: Sequence[int], workers: int | None
) -> Iterator[int]:
    executor = ThreadPoolExecutor(workers or os.cpu_count())
    try:
        for future in as_completed([executor.submit(function, item) for item in items]):
            yield future.result()
    finally:
        executor.shutdown(cancel_futures=True)


def _check_file(path: str) -> tuple[bytes, Damage | None]:
    """Return the hash of a file, empty if it is damaged, and what is wrong with it."""
    try:
        with open(path, 'rb') as file:
            damage = find_damage(file, path)
            if damage and damage.kind != 'misnamed':
                return b'', damage
        return bytes.fromhex(hash_file(path))[:_DIGEST], damage
    except FileNotFoundError:
        return b'', Damage('missing', 'there is no such file')
    except OSError as error:
        return b'', Damage('unreadable', f'it cannot be read ({error.strerror})')


def _find_duplicates(splits: list[Split], digests: np.ndarray) -> list[Problem]:
    """Compare each file with the first that has its content."""
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
        kinds = ['leak'] if split is not other else []
        if label is not None and other_label is not None:
            if split.classes and other.classes:  # which may differ
                conflict = split.classes[label] != other.classes[other_label]
            else:
                conflict = label != other_label
            kinds += ['conflict'] if conflict else []
        problems += [
            Problem(kind, file, f'has the content of {first}') for kind in kinds or ['duplicate']
        ]
    return problems
