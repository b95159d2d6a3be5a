"""Read images into arrays, as mmpretrain's pipelines expect them."""

import contextlib
import io
import threading
from collections.abc import Iterator
from os import PathLike
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
from mmengine import fileio
from PIL import Image, ImageOps, UnidentifiedImageError

from wrn.data.images.selection import EXTENSIONS
from wrn.download import http_client
from wrn.utils.errors import DownloadError, ImageReadError, one_line


class EncodedImage(NamedTuple):
    """An image in an archive."""

    name: str
    """The path of the archive, a slash, and the path in the archive."""
    content: bytes | None
    """The bytes of the file. None for a link to another file in the archive."""

    def __str__(self) -> str:
        return self.name


ImageLike: TypeAlias = str | PathLike[str] | np.ndarray | Image.Image | EncodedImage

_TIFF, _PNG = (b'II*\0', b'MM\0*'), b'\x89PNG'
_opencv_log: Any = getattr(cv2.utils, 'logging', cv2)  # OpenCV 4.14 moved it
_OPENCV_SILENT = 0
_URL_SECONDS = 60.0  # to receive the content of a URL
_URL_BYTES = 128 << 20  # of the content of a URL


def read_image(image: ImageLike) -> np.ndarray:
    """Read an image. A file gives the same pixels in prediction, training and testing with ``wrn``.

    mmpretrain's ``LoadImageFromFile`` returns the same pixels by default, except for 32-bit TIFF
    files and formats that OpenCV does not read.

    Args:
        image: A path, URL, array, PIL image, or image in an archive. As in mmpretrain, an array is
            ``(H, W, 3)``, BGR. Grayscale, ``(H, W)`` or ``(H, W, 1)``, and a fourth channel for
            opacity are accepted, too. Values are uint8 or uint16.

    Returns:
        The pixels, ``(H, W, 3)``, BGR, uint8. They are rotated by the EXIF orientation and have no
        opacity. 16-bit values are reduced to 8 bits.

    Raises:
        ImageReadError: If the file is not found, not an image, or truncated.
    """
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if isinstance(image, Image.Image):
        with _report_damage(image):
            return _from_pil(image)
    content = image.content if isinstance(image, EncodedImage) else _get(str(image))
    if content is None:
        raise ImageReadError(
            f'{image}: is a link in the archive, which is read in order, without links; recreate '
            'the archive with `tar --dereference --hard-dereference`'
        )
    return decode_image(content, str(image))


def decode_image(content: bytes, name: str, flag: int = cv2.IMREAD_COLOR) -> np.ndarray:
    """Decode the content of an image file.

    Args:
        content: The content.
        name: The name of the file, for messages.
        flag: OpenCV's flag for reading, such as ``cv2.IMREAD_REDUCED_COLOR_2``. Defaults to color
            at full size.

    Returns:
        The pixels, as :func:`read_image` returns them.

    Raises:
        ImageReadError: If the content is empty, not an image, or truncated.
    """
    if not content:
        raise ImageReadError(f'{name}: the file is empty; remove or replace it')
    with _report_damage(name):
        pixels = _decode(content, flag)
        # Pillow reads AVIF and GIF, which OpenCV before version 5 may not, and its error messages
        # are better.
        return _from_pil(Image.open(io.BytesIO(content))) if pixels is None else pixels


def _get(path: str) -> bytes:
    try:
        if path.lower().startswith(('http://', 'https://')):
            # mmengine's backend for these has no limit of time or size.
            return http_client.get(path, _URL_BYTES, _URL_SECONDS)
        return fileio.get(path)
    except DownloadError as error:
        raise ImageReadError(f'{path}: cannot be downloaded ({error}); check the URL') from error
    except KeyError as error:
        raise ImageReadError(f'{path}: unknown scheme {error}; give an http URL') from error
    except (OSError, ValueError, ImportError) as error:
        reason = one_line(error)
        raise ImageReadError(f'{path}: cannot be read ({reason}); check the path') from error


def _decode(content: bytes, flag: int) -> np.ndarray | None:
    """Decode with OpenCV, as mmpretrain does. Return None if OpenCV cannot."""
    if content.startswith(_TIFF):
        # OpenCV clips 32-bit and float values to the range from 0 to 255.
        with contextlib.suppress(UnidentifiedImageError):
            image = Image.open(io.BytesIO(content))
            if image.mode in ('I', 'F'):
                return _from_pil(image)
    if content.startswith(_PNG) and b'IEND' not in content[-12:]:
        return None  # truncated; libpng would print a line about it
    with _silent:
        try:
            return cv2.imdecode(np.frombuffer(content, np.uint8), flag)
        except cv2.error:
            return None


class _Silent:
    """Silence OpenCV while any thread is in the block. All threads share its log level."""

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
def _report_damage(image: str | Image.Image) -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError as error:
        kinds = ' '.join(EXTENSIONS)
        raise ImageReadError(f'{image}: not an image; the known formats are {kinds}') from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageReadError(
            f'{image}: the image is damaged or too large ({error}); remove or replace it'
        ) from error


def check_depth(image: Image.Image) -> None:
    """Check that the values of an image have 8 or 16 bits.

    Args:
        image: The image.

    Raises:
        ValueError: If the values have neither.
    """
    if image.mode in ('I', 'F'):
        values = np.asarray(image)
        if image.mode == 'F' or values.min() < 0 or values.max() >= 1 << 16:
            raise ValueError('its values have neither 8 nor 16 bits')


def _from_pil(image: Image.Image) -> np.ndarray:
    check_depth(image)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith('I'):  # 16 bits; mode I has 32, but may hold 8-bit values
        values = np.asarray(image)
        wide = image.mode != 'I' or values.max() > 255
        return _from_array(values.astype(np.uint16 if wide else np.uint8))
    return cv2.cvtColor(np.asarray(image.convert('RGB')), cv2.COLOR_RGB2BGR)


def _from_array(pixels: np.ndarray) -> np.ndarray:
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or 0 in pixels.shape:
        raise ImageReadError(f'array: has the shape {pixels.shape}; expected (H, W, 3)')
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise ImageReadError(f'array: has values of {pixels.dtype}; expected uint8 from 0 to 255')
    pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[..., :3]
    return np.ascontiguousarray(pixels)
