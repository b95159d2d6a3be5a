"""Read images into arrays, as mmpretrain's pipelines expect them."""

import contextlib
from collections.abc import Iterator
from os import PathLike
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from mmengine import fileio
from mmengine.fileio import FileClient
from PIL import Image, UnidentifiedImageError

from wrn.data.images.decoding import (
    COLOR,
    EmptyFileError,
    Reading,
    ValueRangeError,
    decode,
    from_array,
    from_pil,
)
from wrn.data.images.selection import EXTENSIONS
from wrn.download import http_client
from wrn.utils.files import check_regular
from wrn_base.errors import DownloadError, ImageReadError, one_line


class EncodedImage(NamedTuple):
    """An image in an archive."""

    name: str
    """The path of the archive, a slash, and the path in the archive."""
    content: bytes = b''
    """The bytes of the file."""
    problem: str = ''
    """Why the file cannot be read, and the cure. Empty if it can."""

    def __str__(self) -> str:
        return self.name


ImageLike: TypeAlias = str | PathLike[str] | np.ndarray | Image.Image | EncodedImage

MAX_BYTES = 1 << 29  # of an encoded image; one of MAX_PIXELS with four bytes each has as many
_URL_SECONDS = 60.0  # to receive the content of a URL
_URL_BYTES = 128 << 20  # of the content of a URL


def read_image(
    image: ImageLike, reading: Reading = COLOR, channel_order: str = 'BGR'
) -> np.ndarray:
    """Read an image. A file gives the same pixels in prediction, training and testing with ``wrn``.

    mmpretrain's ``LoadImageFromFile`` returns the same pixels, except for TIFF files of signed,
    float or 32-bit values, PGM and PPM files whose white is neither 255 nor 65535, gray values of
    16 bits with ``imdecode_backend='pillow'``, and formats that OpenCV does not read.

    Args:
        image: A path, URL, array, PIL image, or image in an archive. An array is ``(H, W, 3)``.
            Grayscale, ``(H, W)`` or ``(H, W, 1)``, and a fourth channel for opacity are accepted,
            too. Values are uint8 or uint16.
        reading: The options of the config's reading step. Defaults to color.
        channel_order: The channel order of an array, ``'BGR'`` or ``'RGB'``. Defaults to
            ``'BGR'``, as in mmpretrain.

    Returns:
        The pixels, by default ``(H, W, 3)``, BGR, uint8. They are rotated by the EXIF orientation
        and have no opacity. 16-bit values are reduced to 8 bits.

    Raises:
        ImageReadError: If the file is not found, not an image, truncated, or too large.
    """
    if isinstance(image, np.ndarray):
        try:
            return from_array(image, reading, channel_order)
        except ValueError as error:
            raise ImageReadError(f'array: {error}') from error
    if isinstance(image, Image.Image):
        with _report_damage(image):
            return from_pil(image, reading)
    if isinstance(image, EncodedImage) and image.problem:
        raise ImageReadError(f'{image}: {image.problem}')
    content = image.content if isinstance(image, EncodedImage) else _get(str(image))
    return decode_image(content, str(image), reading)


def decode_image(
    content: bytes, name: str, reading: Reading = COLOR, reduction: int = 1
) -> np.ndarray:
    """Decode the content of an image file.

    Args:
        content: The content.
        name: The name of the file, for messages.
        reading: The options of the config's reading step. Defaults to color.
        reduction: The factor to decode a JPEG smaller by, 1, 2, 4 or 8. Defaults to 1.

    Returns:
        The pixels, as :func:`read_image` returns them.

    Raises:
        ImageReadError: If the content is empty, not an image, truncated, or too large.
    """
    with _report_damage(name):
        return decode(content, reading, reduction)


def get_content(
    path: str,
    backend_args: dict[str, Any] | None = None,
    file_client_args: dict[str, Any] | None = None,
) -> bytes:
    """Return the content of an image file.

    Args:
        path: The path, or a URL that mmengine reads. Whatever the other arguments are, web servers
            are asked within limits of time and size, which mmengine has none of.
        backend_args: The arguments of mmengine's file backend. Defaults to None.
        file_client_args: mmengine's older name of ``backend_args``. Defaults to None.

    Raises:
        DownloadError: If the content of an HTTP URL is unavailable, too large or too slow.
        OSError: If a local path is not a regular file, or too large, or cannot be read.
    """
    if path.lower().startswith(('http://', 'https://')):
        return http_client.get(path, _URL_BYTES, _URL_SECONDS)
    if '://' not in path:
        check_regular(path, MAX_BYTES)
    if file_client_args is not None:
        return FileClient.infer_client(file_client_args, path).get(path)
    return fileio.get(path, backend_args=backend_args)


def _get(path: str) -> bytes:
    try:
        return get_content(path)
    except DownloadError as error:
        raise ImageReadError(f'{path}: cannot be downloaded ({error}); check the URL') from error
    except KeyError as error:
        raise ImageReadError(f'{path}: unknown scheme {error}; give an http URL') from error
    except (OSError, ValueError, ImportError) as error:
        reason = one_line(error)
        raise ImageReadError(f'{path}: cannot be read ({reason}); check the path') from error


@contextlib.contextmanager
def _report_damage(image: str | Image.Image) -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError as error:
        kinds = ' '.join(EXTENSIONS)
        raise ImageReadError(f'{image}: not an image; the known formats are {kinds}') from error
    except EmptyFileError as error:
        raise ImageReadError(f'{image}: {error}; remove or replace it') from error
    except ValueRangeError as error:
        raise ImageReadError(f'{image}: {error}') from error
    except Exception as error:  # decoders of damaged files raise many types
        raise ImageReadError(
            f'{image}: the image is damaged or too large ({one_line(error)}); remove or replace it'
        ) from error
