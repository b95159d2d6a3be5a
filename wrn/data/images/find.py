"""Find images, one after the other, in memory that does not grow with their number."""

import contextlib
import glob
import logging
import lzma
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from wrn.data.images.archive import is_archive, read_archive
from wrn.data.images.read import EncodedImage, ImageLike
from wrn.data.images.selection import EXTENSIONS, LeftOut
from wrn.data.images.walk import match, walk
from wrn.utils.files import read_lines
from wrn_base.errors import ImageReadError, one_line

_UNREADABLE = (OSError, UnicodeError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError)
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
            list has a path or URL on each line, relative to the working folder. An archive may be
            compressed. Folders, at any depth, and archives yield the files with one of the
            :data:`EXTENSIONS`. Hidden files in a folder, archive or pattern are left out. Links to
            folders are followed, but each folder is read once.
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
    if isinstance(inputs, str | PathLike) and is_archive(str(inputs)):
        if not str(inputs).endswith('.tar'):
            return None
        with report_unreadable(inputs):
            return sum(1 for _ in read_archive(str(inputs), left_out, names_only=True))
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
    if is_archive(path):
        return 'archive'
    if path.lower().endswith('.txt') and Path(path).is_file():
        return 'list'
    is_pattern = glob.has_magic(path) and '://' not in path and not Path(path).exists()
    return 'pattern' if is_pattern else 'image'


def _expand(inputs: str | PathLike[str], left_out: LeftOut) -> Iterator[ImageLike]:
    """Yield the images of a folder, archive, list or pattern, or the image that a path names."""
    path = str(inputs)
    kind = _find_kind(path)
    found: Iterator[ImageLike] = iter([inputs])
    nothing = f'the {kind} has no images; the known formats are {" ".join(EXTENSIONS)}'
    if kind == 'folder':
        found = walk(path, left_out)
    elif kind == 'archive':
        found = read_archive(path, left_out)
    elif kind == 'list':
        found = _read_list(path)
        nothing = 'the list is empty; put the path of an image on each line'
    elif kind == 'pattern':
        found = match(path, left_out)
        nothing = 'no file matches the pattern; check its folder and extension'
    first = next(found, None)
    if first is None:
        raise ImageReadError(f'{path}: {nothing}')
    yield first
    yield from found


def _read_list(path: str) -> Iterator[str]:
    yield from filter(None, read_lines(path))
