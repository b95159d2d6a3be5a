"""Find pictures: one after the other, in order, however many there are."""

import contextlib
import glob
import heapq
import json
import logging
import lzma
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from os import PathLike
from pathlib import Path, PurePath

import numpy as np
from PIL import Image
from torch import Tensor

from wrn.data.images.read import EncodedImage, ImageLike
from wrn.data.images.selection import EXTENSIONS, LeftOut, is_hidden, is_image
from wrn.utils.errors import ImageReadError

LIST_SUFFIX = '.txt'
ARCHIVE_SUFFIXES = ('.tar', '.tar.gz', '.tgz', '.tar.bz2', '.tar.xz')
_UNREADABLE = (OSError, UnicodeError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError)
_IN_MEMORY = 100_000  # names of a folder to sort at a time; further ones are sorted on the disk
_logger = logging.getLogger('wrn')


def is_many(inputs: ImageLike | Sequence[ImageLike]) -> bool:
    """Tell whether inputs stand for several: a sequence, folder, pattern, list or archive."""
    if isinstance(inputs, np.ndarray | Image.Image | EncodedImage):
        return False
    if not isinstance(inputs, str | PathLike):
        return True
    try:
        return _is_file_of_many(inputs) or Path(inputs).is_dir() or _is_pattern(inputs)
    except OSError:
        return False


def find_images(
    inputs: ImageLike | Sequence[ImageLike], left_out: LeftOut | None = None
) -> Iterator[ImageLike]:
    """Go through the pictures that inputs stand for, in memory that does not grow with them.

    (But for patterns, whose matches are sorted in memory.)

    Args:
        inputs: A path, a URL, an array, a PIL picture, a folder, a glob pattern (``**`` goes into
            folders), a ``.txt`` file with a path or URL a line, a ``.tar`` archive, compressed or
            not, or a sequence of these. Folders, those in them, and archives give the files whose
            extension is in :data:`EXTENSIONS`. What is hidden in them, or matches a pattern but
            is hidden, is left out.
        left_out: Counts the files that are left out, until the last image was yielded. Defaults to
            None: the numbers are logged.

    Yields:
        The pictures in the given order; those of a folder or pattern are sorted by path.

    Raises:
        ImageReadError: If a folder, pattern, list or archive has no pictures or cannot be read.
    """
    if left_out is None:
        yield from find_images(inputs, left_out := LeftOut())
        if left_out:
            _logger.info('%s', left_out)
        return
    if isinstance(inputs, np.ndarray | Image.Image | EncodedImage):
        yield inputs
        return
    if isinstance(inputs, Iterable) and not isinstance(inputs, str | PathLike | bytes | Tensor):
        for item in inputs:
            yield from find_images(item, left_out)
        return
    if not isinstance(inputs, str | PathLike) or not str(inputs):
        raise ImageReadError(
            f'{str(inputs)[:40]!r}: is no picture; give a path, a URL, an array of pixels, a PIL '
            'picture, or a list of these'
        )
    with _reading(inputs):
        yield from _expand(inputs, left_out)


def count_images(
    inputs: ImageLike | Sequence[ImageLike], left_out: LeftOut | None = None
) -> int | None:
    """Count the pictures that inputs stand for.

    Args:
        inputs: What :func:`find_images` takes.
        left_out: Counts the files that are left out, unless None is returned. Defaults to None.

    Returns:
        Their number; None if counting takes as long as reading, as of a compressed archive.

    Raises:
        ImageReadError: As :func:`find_images` does.
    """
    left_out = LeftOut() if left_out is None else left_out
    if isinstance(inputs, Sequence) and not isinstance(inputs, str | EncodedImage):
        counts = [count_images(item, left_out) for item in inputs]
        return None if None in counts else sum(count or 0 for count in counts)
    if isinstance(inputs, str | PathLike) and _is_archive(inputs):
        if not str(inputs).endswith('.tar'):
            return None
        with _reading(inputs):
            return sum(1 for _ in _list_archive(str(inputs), left_out))
    return sum(1 for _ in find_images(inputs, left_out))


@contextlib.contextmanager
def _reading(inputs: str | PathLike) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        reason = getattr(error, 'strerror', None) or ' '.join(str(error).split())
        name = str(getattr(error, 'filename', None) or inputs)  # that of a folder in a folder
        raise ImageReadError(f'{name[:200]}: cannot be read ({reason})') from error


def _expand(inputs: str | PathLike, left_out: LeftOut) -> Iterator[ImageLike]:
    """Go through the pictures of a folder, a pattern, a list or an archive."""
    path = str(inputs)
    if Path(path).is_dir():
        found: Iterator[ImageLike] = _walk(path, left_out)
        nothing = f'the folder has no pictures ({" ".join(EXTENSIONS)})'
    elif _is_pattern(path):
        found = _match(path, left_out)
        nothing = 'no file matches the pattern'
    elif _is_archive(path):
        found = _read_archive(path, left_out)
        nothing = f'the archive has no pictures ({" ".join(EXTENSIONS)})'
    elif _is_file_of_many(path):
        found = _read_list(path)
        nothing = 'the list is empty; put the path of a picture on each line'
    else:
        yield inputs
        return
    first = next(found, None)
    if first is None:
        raise ImageReadError(f'{inputs}: {nothing}')
    yield first
    yield from found


def _walk(folder: str, left_out: LeftOut, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """Go through the pictures below a folder, in the order of their paths."""
    place = os.path.realpath(folder)
    if place in above:  # it is a link to a folder that it is in
        return
    for name in _sorted_names(folder, left_out):
        path = os.path.join(folder, name)
        if name.endswith('/'):
            yield from _walk(path.rstrip('/'), left_out, above | {place})
        else:
            yield path


def _sorted_names(folder: str, left_out: LeftOut) -> Iterator[str]:
    """List the pictures and folders in a folder; the names of folders end in a slash."""
    runs: list[Iterator[str]] = []
    names: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if is_hidden(entry.name):
                    left_out.add_images_below(entry.path, 'hidden')
                else:
                    names.append(f'{entry.name}/')
            elif not entry.is_file():
                left_out.add(entry.name, 'not a file')
            elif is_image(entry.name):
                names.append(entry.name)
            else:
                left_out.add(entry.name)
            if len(names) == _IN_MEMORY:
                runs.append(_put_off(sorted(names)))
                names = []
    return heapq.merge(*runs, sorted(names)) if runs else iter(sorted(names))


def _put_off(names: list[str]) -> Iterator[str]:
    """Keep names on the disk until they are asked for."""
    file = tempfile.TemporaryFile('w+')  # noqa: SIM115 - it goes when its last name is read
    file.writelines(f'{json.dumps(name)}\n' for name in names)
    file.seek(0)
    return map(json.loads, file)


def _match(pattern: str, left_out: LeftOut) -> Iterator[str]:
    """Go through the files that match a pattern, in the order of their paths."""
    given = sum(1 for _ in takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))
    for path in sorted(filter(os.path.isfile, glob.iglob(pattern, recursive=True))):
        below = str(PurePath(*Path(path).parts[given:]))
        if is_hidden(below):
            left_out.add(below)
        else:
            yield path


def _read_list(path: str) -> Iterator[str]:
    with open(path, encoding='utf-8', errors='surrogateescape') as lines:
        yield from (line.strip() for line in lines if line.strip())


def _read_archive(path: str, left_out: LeftOut) -> Iterator[EncodedImage]:
    with tarfile.open(path) as archive:
        for member in _members(archive, left_out):
            file = archive.extractfile(member) if member.isfile() else None
            yield EncodedImage(f'{path}/{member.name}', file.read() if file else None)


def _list_archive(path: str, left_out: LeftOut) -> Iterator[str]:
    with tarfile.open(path) as archive:
        yield from (member.name for member in _members(archive, left_out))


def _members(archive: tarfile.TarFile, left_out: LeftOut) -> Iterator[tarfile.TarInfo]:
    for member in archive:
        linked = member.islnk() or member.issym()
        if is_image(member.name) and (member.isfile() or linked):
            yield member
        elif member.isfile():
            left_out.add(member.name)
        vars(archive)['members'] = []  # which would remember all that were read


def _is_archive(path: str | PathLike) -> bool:
    return str(path).lower().endswith(ARCHIVE_SUFFIXES) and Path(path).is_file()


def _is_file_of_many(path: str | PathLike) -> bool:
    return _is_archive(path) or (str(path).lower().endswith(LIST_SUFFIX) and Path(path).is_file())


def _is_pattern(path: str | PathLike) -> bool:
    return glob.has_magic(str(path)) and '://' not in str(path) and not Path(path).exists()
