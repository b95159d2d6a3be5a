"""Find images, one after the other, in memory that does not grow with their number."""

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
from wrn.data.images.selection import EXTENSIONS, LeftOut, is_hidden, is_image, scan
from wrn.utils.errors import ImageReadError, one_line

_ARCHIVE_SUFFIXES = ('.tar', '.tar.gz', '.tgz', '.tar.bz2', '.tar.xz')
_UNREADABLE = (OSError, UnicodeError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError)
_IN_MEMORY = 100_000  # names of a folder to sort in memory; of more, sorted runs go to the disk
_logger = logging.getLogger('wrn')


def is_many(inputs: ImageLike | Sequence[ImageLike]) -> bool:
    """Return whether inputs may stand for several images, such as a folder or a sequence."""
    if isinstance(inputs, np.ndarray | Image.Image | EncodedImage):
        return False
    if not isinstance(inputs, str | PathLike):
        return True
    try:
        return _find_kind(str(inputs)) != 'image'
    except OSError:
        return False


def find_images(
    inputs: ImageLike | Sequence[ImageLike], left_out: LeftOut | None = None
) -> Iterator[ImageLike]:
    """Yield the images that inputs stand for, in memory that does not grow with their number.

    Patterns are an exception: their matches are sorted in memory.

    Args:
        inputs: A path, URL, array, PIL image, folder, glob pattern, ``.txt`` list, ``.tar``
            archive, or a sequence of these. In a pattern, ``**`` matches folders at any depth. A
            list has a path or URL on each line. An archive may be compressed. Folders, at any
            depth, and archives yield the files with one of the :data:`EXTENSIONS`. Hidden files in
            a folder, archive or pattern are left out.
        left_out: Counts the files that are left out. The numbers are complete after the last image.
            Defaults to None: the numbers are logged.

    Yields:
        The images in the given order. Those of a folder or pattern are sorted by path.

    Raises:
        ImageReadError: If a folder, pattern, list or archive has no images or cannot be read.
    """
    if left_out is None:
        yield from find_images(inputs, left_out := LeftOut())
        if left_out:
            name = inputs if isinstance(inputs, str | PathLike) else 'inputs'
            _logger.info('%s: %s', name, left_out)
    elif isinstance(inputs, np.ndarray | Image.Image | EncodedImage):
        yield inputs
    elif isinstance(inputs, str | PathLike) and str(inputs):
        with report_unreadable(inputs):
            yield from _expand(inputs, left_out)
    elif isinstance(inputs, Iterable) and not isinstance(inputs, str | bytes | Tensor):
        for item in inputs:
            yield from find_images(item, left_out)
    else:
        raise ImageReadError(
            f'{str(inputs)[:40]!r}: not an image; give a path, URL, array, PIL image, folder, glob '
            'pattern, .txt list, .tar archive, or a sequence of these'
        )


def count_images(
    inputs: ImageLike | Sequence[ImageLike], left_out: LeftOut | None = None
) -> int | None:
    """Count the images that inputs stand for.

    Args:
        inputs: What :func:`find_images` takes.
        left_out: Counts the files that are left out, unless None is returned. Defaults to None.

    Returns:
        The number. None if counting takes as long as reading, as for a compressed archive.

    Raises:
        ImageReadError: As :func:`find_images` does.
    """
    left_out = LeftOut() if left_out is None else left_out
    if isinstance(inputs, Sequence) and not isinstance(inputs, str | EncodedImage):
        counts = [count_images(item, left_out) for item in inputs]
        return None if None in counts else sum(count or 0 for count in counts)
    if isinstance(inputs, str | PathLike) and _is_archive(str(inputs)):
        if not str(inputs).endswith('.tar'):
            return None
        with report_unreadable(inputs), tarfile.open(inputs) as archive:
            return sum(1 for _ in _find_members(archive, left_out))
    return sum(1 for _ in find_images(inputs, left_out))


@contextlib.contextmanager
def report_unreadable(inputs: str | PathLike[str]) -> Iterator[None]:
    """Turn errors of the file system and of decoders into one-line errors.

    Args:
        inputs: The file or folder that is read, for the message.

    Raises:
        ImageReadError: If the block raises such an error.
    """
    try:
        yield
    except _UNREADABLE as error:
        name = str(getattr(error, 'filename', None) or inputs)  # may be a folder below the inputs
        raise ImageReadError(
            f'{name[:200]}: cannot be read ({one_line(error)}); check the path and the file'
        ) from error


def _find_kind(path: str) -> str:
    """Return ``'folder'``, ``'archive'``, ``'list'``, ``'pattern'`` or ``'image'``."""
    if Path(path).is_dir():
        return 'folder'
    if _is_archive(path):
        return 'archive'
    if path.lower().endswith('.txt') and Path(path).is_file():
        return 'list'
    is_pattern = glob.has_magic(path) and '://' not in path and not Path(path).exists()
    return 'pattern' if is_pattern else 'image'


def _is_archive(path: str) -> bool:
    return path.lower().endswith(_ARCHIVE_SUFFIXES) and os.path.isfile(path)


def _expand(inputs: str | PathLike[str], left_out: LeftOut) -> Iterator[ImageLike]:
    """Yield the images of a folder, archive, list or pattern, or the image that a path names."""
    path = str(inputs)
    kind = _find_kind(path)
    found: Iterator[ImageLike] = iter([inputs])
    nothing = f'the {kind} has no images; the known formats are {" ".join(EXTENSIONS)}'
    if kind == 'folder':
        found = _walk(path, left_out)
    elif kind == 'archive':
        found = _read_archive(path, left_out)
    elif kind == 'list':
        found = _read_list(path)
        nothing = 'the list is empty; put the path of an image on each line'
    elif kind == 'pattern':
        found = _match(path, left_out)
        nothing = 'no file matches the pattern; check its folder and extension'
    first = next(found, None)
    if first is None:
        raise ImageReadError(f'{path}: {nothing}')
    yield first
    yield from found


def _walk(folder: str, left_out: LeftOut, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the images below a folder, sorted by path."""
    place = os.path.realpath(folder)
    if place in above:
        left_out.add(os.path.basename(folder), 'linked in a loop')
        return
    for name in _sort_names(folder, left_out):
        path = os.path.join(folder, name)
        if name.endswith('/'):
            yield from _walk(path.rstrip('/'), left_out, above | {place})
        else:
            yield path


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
    file = tempfile.TemporaryFile('w+')  # noqa: SIM115 - deleted when its last name is read
    file.writelines(f'{json.dumps(name)}\n' for name in names)
    file.seek(0)
    return map(json.loads, file)


def _match(pattern: str, left_out: LeftOut) -> Iterator[str]:
    """Yield the files that match a pattern, sorted by path."""
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
        for member in _find_members(archive, left_out):
            file = archive.extractfile(member) if member.isfile() else None
            yield EncodedImage(f'{path}/{member.name}', file.read() if file else None)


def _find_members(archive: tarfile.TarFile, left_out: LeftOut) -> Iterator[tarfile.TarInfo]:
    for member in archive:
        if is_image(member.name) and (member.isfile() or member.islnk() or member.issym()):
            yield member
        elif member.isfile():
            left_out.add(member.name)
        vars(archive)['members'] = []  # or TarFile would keep each member that was read
