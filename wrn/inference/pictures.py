"""Find pictures and read them, into arrays as mmpretrain's pipelines expect them."""

import contextlib
import glob
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from http.client import HTTPException
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from mmengine import fileio
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from wrn.errors import PictureError

Picture: TypeAlias = str | PathLike | np.ndarray | Image.Image

_TIFF, _PNG = (b'II*\0', b'MM\0*'), b'\x89PNG'
EXTENSIONS = ('.bmp', '.gif', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp')


def is_many(inputs: Picture | Sequence[Picture]) -> bool:
    """Tell whether inputs stand for a list of pictures: a list, a folder or a glob pattern."""
    if isinstance(inputs, np.ndarray | Image.Image):
        return False
    if not isinstance(inputs, str | PathLike):
        return True
    try:
        return Path(inputs).is_dir() or _is_pattern(inputs)
    except OSError:
        return False


def find_pictures(inputs: Picture | Sequence[Picture]) -> list[Picture]:
    """List the pictures that inputs stand for.

    Args:
        inputs: A path, a URL, an array, a PIL picture, a folder, a glob pattern (``**`` goes into
            folders), or a sequence of these. Of a folder and the folders in it, the files whose
            extension is in :data:`EXTENSIONS` are taken.

    Returns:
        The pictures in the given order; those of a folder or pattern are sorted by path.

    Raises:
        PictureError: If a folder or pattern has no pictures.
    """
    if isinstance(inputs, np.ndarray | Image.Image):
        return [inputs]
    if isinstance(inputs, Iterable) and not isinstance(inputs, str | PathLike | bytes | Tensor):
        return [picture for item in inputs for picture in find_pictures(item)]
    if not isinstance(inputs, str | PathLike) or not str(inputs):
        raise PictureError(
            f'{str(inputs)[:40]!r}: is no picture; give a path, a URL, an array of pixels, a PIL '
            'picture, or a list of these'
        )
    try:
        return _expand(inputs)
    except OSError as error:
        raise PictureError(f'{str(inputs)[:200]}: cannot be read ({error.strerror})') from error


def _expand(inputs: str | PathLike) -> list[Picture]:
    """List the pictures of a folder or a pattern."""
    if Path(inputs).is_dir():
        os.scandir(str(inputs)).close()  # rglob is silent where it may not look
        files = (file for file in Path(inputs).rglob('*') if file.suffix.lower() in EXTENSIONS)
        found = sorted(str(file) for file in files if file.is_file())
        if not found:
            raise PictureError(f'{inputs}: the folder has no pictures ({" ".join(EXTENSIONS)})')
        return [*found]
    if _is_pattern(inputs):
        matches = glob.glob(str(inputs), recursive=True)
        found = sorted(file for file in matches if Path(file).is_file())
        if not found:
            raise PictureError(f'{inputs}: no file matches the pattern')
        return [*found]
    return [inputs]


def _is_pattern(path: str | PathLike) -> bool:
    return glob.has_magic(str(path)) and '://' not in str(path) and not Path(path).exists()


def read_picture(picture: Picture) -> np.ndarray:
    """Read a picture; a file gives the pixels that ``LoadImageFromFile`` gives by default.

    Args:
        picture: A path, a URL, an array of pixels or a PIL picture. An array is taken as
            mmpretrain does: ``(H, W, 3)`` in the order blue, green, red. Grey ``(H, W)`` and
            ``(H, W, 1)``, and a fourth channel for opacity, are accepted too; values are uint8
            or uint16.

    Returns:
        The pixels ``(H, W, 3)`` in the order blue, green, red, as uint8: upright by the EXIF
        orientation, opacity dropped, 16 bits reduced to 8.

    Raises:
        PictureError: If there is no such file, or it is no picture, or truncated.
    """
    if isinstance(picture, np.ndarray):
        return _from_array(picture, 'array')
    if isinstance(picture, Image.Image):
        with _damage_told(picture):
            return _from_pil(picture)
    try:
        content = fileio.get(str(picture))
    except KeyError as error:
        raise PictureError(f'{picture}: nothing is known of {error} addresses') from error
    except (OSError, ValueError, HTTPException, ImportError) as error:
        reason = getattr(error, 'strerror', None) or ' '.join(str(error).split())
        raise PictureError(f'{picture}: cannot be read ({reason})') from error
    if not content:
        raise PictureError(f'{picture}: the file is empty')
    with _damage_told(picture):
        pixels = _decode(content)
        # Pillow reads some formats that OpenCV does not, and says better what is wrong.
        return _from_pil(Image.open(io.BytesIO(content))) if pixels is None else pixels


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
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)


@contextlib.contextmanager
def _damage_told(picture: Picture) -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError as error:
        kinds = ' '.join(EXTENSIONS)
        raise PictureError(f'{picture}: is not a picture; known are {kinds}') from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureError(f'{picture}: the picture is damaged or too large ({error})') from error


def _check_depth(picture: Image.Image) -> None:
    if picture.mode in ('I', 'F'):
        values = np.asarray(picture)
        if picture.mode == 'F' or values.min() < 0 or values.max() >= 1 << 16:
            raise ValueError('its values are neither of 8 nor of 16 bits')


def _from_pil(picture: Image.Image) -> np.ndarray:
    _check_depth(picture)
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith('I'):  # of 16 bits; mode I, of 32, may hold only 8
        deep = np.asarray(picture)
        wide = picture.mode != 'I' or deep.max() > 255
        return _from_array(deep.astype(np.uint16 if wide else np.uint8), 'picture')
    return np.ascontiguousarray(np.asarray(picture.convert('RGB'))[..., ::-1])


def _from_array(pixels: np.ndarray, name: str) -> np.ndarray:
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or 0 in pixels.shape:
        raise PictureError(f'{name}: has the shape {pixels.shape}; expected (H, W, 3)')
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise PictureError(f'{name}: has values of {pixels.dtype}; expected uint8 from 0 to 255')
    pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[..., :3]
    return np.ascontiguousarray(pixels)
