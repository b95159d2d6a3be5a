"""Walk folders and patterns, sorted, and enter each folder once."""

import glob
import heapq
import json
import os
import tempfile
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path, PurePath

from wrn.data.images.selection import LeftOut, is_hidden, is_image, scan

LINKED = 'linked to a folder that is read already'
_IN_MEMORY = 100_000  # names of a folder to sort in memory; of more, sorted runs go to the disk


class FollowedLinks:
    """Decide which folders a walk enters, so that it enters each folder once.

    A walk may follow links out of the folder that it starts in. A link to a folder that the walk
    reaches without it, or has entered by another link, or that contains the start, is left out.

    Args:
        start: The folder that the walk starts in.
    """

    def __init__(self, start: str | PurePath) -> None:
        self._real_start = Path(os.path.realpath(start))
        self._entered: set[tuple[int, int]] = set()
        self._links: list[str] = []

    def enters(self, folder: str | PurePath) -> bool:
        """Return whether a walk enters a folder, and remember that it does.

        Args:
            folder: The path by which the walk reaches the folder.

        Raises:
            OSError: If the folder is not found, or is a link to itself.
        """
        path = str(folder)
        if not os.path.islink(path) and not path.startswith(tuple(self._links)):
            return True
        real = Path(os.path.realpath(path, strict=True))
        if self._real_start.is_relative_to(real):
            return False
        if real.is_relative_to(self._real_start) and not is_hidden(
            real.relative_to(self._real_start)
        ):
            return False
        found = os.stat(real)
        identity = found.st_dev, found.st_ino
        if identity in self._entered:
            return False
        self._entered.add(identity)
        if os.path.islink(path):
            self._links.append(os.path.join(path, ''))
        return True


def walk(folder: str, left_out: LeftOut) -> Iterator[str]:
    """Yield the images below a folder, sorted by path."""
    links = FollowedLinks(folder)
    open_folders = [(folder, _sort_names(folder, left_out))]
    while open_folders:
        place, names = open_folders[-1]
        name = next(names, None)
        if name is None:
            open_folders.pop()
            continue
        path = os.path.join(place, name.rstrip('/'))
        if not name.endswith('/'):
            yield path
        elif links.enters(path):
            open_folders.append((path, _sort_names(path, left_out)))
        else:
            left_out.add(os.path.basename(path), LINKED)


def _sort_names(folder: str, left_out: LeftOut) -> Iterator[str]:
    """Yield the sorted names of the images and folders in a folder. Folders end in a slash."""
    runs: list[Iterator[str]] = []
    names: list[str] = []
    for entry in scan(folder, left_out):
        # A link to itself is neither, which an entry raises an error about.
        file = Path(entry) if entry.is_symlink() else entry
        if file.is_dir():
            names.append(f'{entry.name}/')
        elif not file.is_file():
            left_out.add(entry.name, 'not a file')
        elif is_image(entry.name):
            names.append(entry.name)
        else:
            left_out.add(entry.name)
        if len(names) == _IN_MEMORY:
            runs.append(_store(sorted(names)))
            names = []
    return heapq.merge(*runs, sorted(names))


def _store(names: list[str]) -> Iterator[str]:
    """Write names to the disk, and return an iterator that reads them."""
    file = tempfile.TemporaryFile('w+', encoding='utf-8')  # noqa: SIM115 - deleted when its last name is read
    file.writelines(f'{json.dumps(name)}\n' for name in names)
    file.seek(0)
    return map(json.loads, file)


def match(pattern: str, left_out: LeftOut) -> Iterator[str]:
    """Yield the files that match a pattern, sorted by path."""
    given = [*takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts)]
    found = _glob(pattern, FollowedLinks(PurePath(*given)))
    for path in sorted({*filter(os.path.isfile, found)}):
        below = str(PurePath(*Path(path).parts[len(given) :]))
        if is_hidden(below):
            left_out.add(below)
        else:
            yield path


def _glob(pattern: str, links: FollowedLinks) -> Iterator[str]:
    """Yield what a pattern matches, as :mod:`glob` does, but enter each linked folder once."""
    parts = PurePath(pattern).parts
    if '**' not in parts:
        yield from glob.iglob(pattern)
        return
    split = parts.index('**')
    rest = parts[split + 1 :] or ('*',)
    for start in glob.iglob(str(PurePath(*parts[:split]))):
        for place, folders, _ in os.walk(start, followlinks=True):
            folders[:] = [
                name
                for name in sorted(folders)
                if not name.startswith('.') and links.enters(os.path.join(place, name))
            ]
            yield from _glob(str(PurePath(glob.escape(place), *rest)), links)
