"""Read pictures, into arrays as mmpretrain's pipelines expect them."""

import contextlib
import io
import threading
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from os import PathLike
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
from mmengine import fileio
from PIL import Image, ImageOps, UnidentifiedImageError

from wrn.data.images.selection import EXTENSIONS
from wrn.utils.errors import ImageReadError


class EncodedImage(NamedTuple):
    """A picture in an archive."""

    name: str
    """The path of the archive, and behind a slash that in it."""
    content: bytes | None
    """The file; None of a link to another one in the archive."""

    def __str__(self) -> str:
        return self.name


ImageLike: TypeAlias = str | PathLike | np.ndarray | Image.Image | EncodedImage

_TIFF, _PNG = (b'II*\0', b'MM\0*'), b'\x89PNG'
_opencv_log: Any = getattr(cv2.utils, 'logging', cv2)  # where OpenCV 4.14 and later have it
_OPENCV_SILENT = 0
_SECONDS = 60  # to wait for more of a URL


def read_image(picture: ImageLike) -> np.ndarray:
    """Read an image; a file gives the pixels that training and testing with ``wrn`` see.

    mmpretrain's ``LoadImageFromFile`` gives the same by default, except for TIFF files of 32 bits
    and formats that OpenCV does not read.

    Args:
        picture: A path, a URL, an array of pixels or a PIL picture. An array is taken as
            mmpretrain does: ``(H, W, 3)`` in the order blue, green, red. Grey ``(H, W)`` and
            ``(H, W, 1)``, and a fourth channel for opacity, are accepted too; values are uint8
            or uint16.

    Returns:
        The pixels ``(H, W, 3)`` in the order blue, green, red, as uint8: upright by the EXIF
        orientation, opacity dropped, 16 bits reduced to 8.

    Raises:
        ImageReadError: If there is no such file, or it is no picture, or truncated.
    """
    if isinstance(picture, np.ndarray):
        return _from_array(picture, 'array')
    if isinstance(picture, Image.Image):
        with _report_damage(picture):
            return _from_pil(picture)
    content = picture.content if isinstance(picture, EncodedImage) else _get(str(picture))
    if content is None:
        raise ImageReadError(
            f'{picture}: is a link in the archive, whose files are read in their order; make the '
            'archive with `tar --dereference --hard-dereference`'
        )
    return decode_image(content, str(picture))


def decode_image(content: bytes, name: str) -> np.ndarray:
    """Decode the content of an image file.

    Args:
        content: The content.
        name: The name of the file, for messages.

    Returns:
        The pixels, as those of :func:`read_image`.

    Raises:
        ImageReadError: If the content is empty, not an image, or truncated.
    """
    if not content:
        raise ImageReadError(f'{name}: the file is empty')
    with _report_damage(name):
        pixels = _decode(content)
        # Pillow reads AVIF and GIF, which OpenCV before version 5 may not, and says better what is
        # wrong.
        return _from_pil(Image.open(io.BytesIO(content))) if pixels is None else pixels


def _get(path: str) -> bytes:
    try:
        if '://' not in path and ':' not in path[2:]:  # which may be one of mmengine's backends
            with open(path, 'rb') as file:
                return file.read()
        if path.startswith(('http://', 'https://')):  # for which that would wait for ever
            with urllib.request.urlopen(path, timeout=_SECONDS) as answer:
                return answer.read()
        return fileio.get(path)
    except KeyError as error:
        raise ImageReadError(f'{path}: nothing is known of {error} addresses') from error
    except (OSError, ValueError, HTTPException, ImportError) as error:
        reason = getattr(error, 'strerror', None) or ' '.join(str(error).split())
        raise ImageReadError(f'{path}: cannot be read ({reason})') from error


def _decode(content: bytes) -> np.ndarray | None:
    """Decode with OpenCV, as mmpretrain does; None if it cannot."""
    if content.startswith(_TIFF):
        # OpenCV cuts off at 0 and 255 what is of 32 bits or float.
        with contextlib.suppress(UnidentifiedImageError):
            picture = Image.open(io.BytesIO(content))
            if picture.mode in ('I', 'F'):
                return _from_pil(picture)
    if content.startswith(_PNG) and b'IEND' not in content[-12:]:
        return None  # cut off, of which libpng prints a line of its own
    with _silent:
        try:
            return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error:
            return None


class _Silent:
    """Keep OpenCV silent as long as any thread is in a block: its log level is one for all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads = 0
        self._level = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._threads == 0:
                self._level = _opencv_log.getLogLevel()
                _opencv_log.setLogLevel(_OPENCV_SILENT)
            self._threads += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._threads -= 1
            if self._threads == 0:
                _opencv_log.setLogLevel(self._level)


_silent = _Silent()


@contextlib.contextmanager
def _report_damage(picture: ImageLike) -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError as error:
        kinds = ' '.join(EXTENSIONS)
        raise ImageReadError(f'{picture}: is not a picture; known are {kinds}') from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageReadError(f'{picture}: the picture is damaged or too large ({error})') from error


def check_depth(picture: Image.Image) -> None:
    """Check that the values of an image have 8 or 16 bits.

    Args:
        picture: The image.

    Raises:
        ValueError: If they do not.
    """
    if picture.mode in ('I', 'F'):
        values = np.asarray(picture)
        if picture.mode == 'F' or values.min() < 0 or values.max() >= 1 << 16:
            raise ValueError('its values are neither of 8 nor of 16 bits')


def _from_pil(picture: Image.Image) -> np.ndarray:
    check_depth(picture)
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith('I'):  # of 16 bits; mode I, of 32, may hold only 8
        deep = np.asarray(picture)
        wide = picture.mode != 'I' or deep.max() > 255
        return _from_array(deep.astype(np.uint16 if wide else np.uint8), 'picture')
    return cv2.cvtColor(np.asarray(picture.convert('RGB')), cv2.COLOR_RGB2BGR)


def _from_array(pixels: np.ndarray, name: str) -> np.ndarray:
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or 0 in pixels.shape:
        raise ImageReadError(f'{name}: has the shape {pixels.shape}; expected (H, W, 3)')
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise ImageReadError(f'{name}: has values of {pixels.dtype}; expected uint8 from 0 to 255')
    pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[..., :3]
    return np.ascontiguousarray(pixels)
