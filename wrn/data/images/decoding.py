"""Decode images, by the options of mmpretrain's reading step."""

import io
from typing import NamedTuple

import cv2
import mmcv
import numpy as np
from mmcv.image.io import imread_flags
from PIL import Image, ImageOps, UnidentifiedImageError

from wrn.data.images.bounds import MAX_PIXELS, check_size
from wrn.data.images.header import Header, read_header
from wrn.data.images.opencv import decode_by_opencv
from wrn.utils.compat.pillow_bound import bound_pixels

_UNCHANGED = {mode: mode for mode in ('L', 'LA', 'RGB', 'RGBA')} | {'1': 'L'}
_REDUCED = {
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


class Reading(NamedTuple):
    """The options of a config's reading step that change pixels.

    The first three are those of mmpretrain's ``LoadImageFromFile``.
    """

    color_type: str = 'color'
    imdecode_backend: str = 'cv2'
    to_float32: bool = False
    value_range: tuple[float, float] | None = None
    """The values to read as black and white in images of more than 8 bits.

    None: 0 and what the file states, or else 65535.
    """


COLOR = Reading()


class EmptyFileError(ValueError):
    """A file without content."""


class ValueRangeError(ValueError):
    """Values whose black and white are unknown."""

    def __init__(self, values: str) -> None:
        super().__init__(
            f'the range of its values, {values}, is unknown; give it to LoadImage (docs/data.md)'
        )


@bound_pixels(MAX_PIXELS)
def decode(content: bytes, reading: Reading, reduction: int = 1) -> np.ndarray:
    """Decode the content of an image file.

    Args:
        content: The content.
        reading: The options.
        reduction: The factor to decode a JPEG smaller by, 1, 2, 4 or 8. Defaults to 1.

    Returns:
        The pixels as OpenCV and mmcv return them: ``(H, W, 3)``, BGR, or ``(H, W)``; ``(H, W, C)``
        for ``color_type='unchanged'``.

    Raises:
        ValueError: If the image is damaged or has too many pixels. Decoders raise other types, too.
    """
    if not content:
        raise EmptyFileError('the file is empty')
    header = read_header(content)
    if header is None:
        raise UnidentifiedImageError('not an image')
    if not _is_read_by_us(content, header, reading):
        return _finish(
            mmcv.imfrombytes(content, reading.color_type, backend=reading.imdecode_backend), reading
        )
    unchanged = reading.color_type == 'unchanged'
    if header.white and not unchanged and not (reading.value_range and header.bits > 8):
        # OpenCV scales values of 8 bits in text to 255, and rounds them down.
        binary = header.bits > 8 or content.startswith((b'P5', b'P6'))
        pixels = decode_by_opencv(content, header, cv2.IMREAD_UNCHANGED) if binary else None
        if pixels is not None:
            return from_array(_scale_as_pillow(pixels, header.white), reading)
    elif header.plain or unchanged:
        flag = imread_flags[reading.color_type]
        if reading.value_range:
            flag |= cv2.IMREAD_ANYDEPTH
        if header.format == 'JPEG':
            flag |= _REDUCED[reduction]
        pixels = decode_by_opencv(content, header, flag)
        if pixels is not None:
            return _finish(pixels, reading)
    elif reading.value_range:
        pixels = decode_by_opencv(content, header, cv2.IMREAD_UNCHANGED)
        if pixels is not None:
            return from_array(pixels, reading)
    # Pillow reads AVIF and GIF, which OpenCV before version 5 may not, and its error messages are
    # better. OpenCV wraps signed values, and clips float and 32-bit ones.
    try:
        image = _open_by_pillow(content, header)
    except UnidentifiedImageError:
        if header.plain:
            raise
        image = None
    if image is None or not (header.plain or image.mode in ('I', 'F')):
        raise ValueRangeError('which are signed, float or 32-bit')
    return from_pil(image, reading)


def _is_read_by_us(content: bytes, header: Header, reading: Reading) -> bool:
    """Return whether this module reads an image, and not another backend of mmcv.

    mmcv's ``'pillow'`` turns gray values of more than 8 bits that are above 255 into white.
    """
    if reading.imdecode_backend != 'pillow':
        return reading.imdecode_backend == 'cv2'
    is_wide = _open_by_pillow(content, header).mode.startswith(('I', 'F'))
    return is_wide and reading.color_type != 'unchanged'


def _open_by_pillow(content: bytes, header: Header) -> Image.Image:
    """Open an image, whose size may be stated in a second place, without decoding it."""
    image = Image.open(io.BytesIO(content), formats=[header.format])
    check_size(*image.size)
    return image


def from_pil(image: Image.Image, reading: Reading) -> np.ndarray:
    """Return the pixels of a PIL image, as :func:`decode` does.

    Args:
        image: The image.
        reading: The options.

    Raises:
        ValueRangeError: If the range of its values is unknown, and the reading has none.
    """
    if not reading.color_type.endswith(('ignore_orientation', 'unchanged')):
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith(('I', 'F')):
        values = np.asarray(image)
        if image.mode in ('I', 'F') and not reading.value_range:
            low, high = values.min(), values.max()
            if image.mode == 'F' or low < 0 or not 255 < high < 1 << 16:
                raise ValueRangeError(f'{low:g} to {high:g}')
            values = values.astype(np.uint16)
        return from_array(values, reading)
    if reading.color_type == 'unchanged':
        image = image.convert(_UNCHANGED.get(image.mode, 'RGB'))
        return from_array(np.array(image), reading, 'RGB')
    return from_array(np.asarray(image.convert('RGB')), reading, 'RGB')


def from_array(pixels: np.ndarray, reading: Reading, channel_order: str = 'BGR') -> np.ndarray:
    """Convert an array to the pixels that the reading step gives for a file.

    Args:
        pixels: ``(H, W)`` or ``(H, W, C)``.
        reading: The options.
        channel_order: The order of the channels, ``'BGR'`` or ``'RGB'``. Defaults to ``'BGR'``.

    Raises:
        ValueError: If the shape or the type does not suit the options.
    """
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    unchanged = reading.color_type == 'unchanged'
    if pixels.ndim not in (2, 3) or 0 in pixels.shape or not (unchanged or channels in (1, 3, 4)):
        raise ValueError(f'has the shape {pixels.shape}; expected (H, W, 3)')
    if channels > 2 and channel_order == 'RGB':
        pixels = pixels[..., [2, 1, 0, *range(3, channels)]]
    if unchanged:
        return _finish(pixels, reading)
    pixels = np.atleast_3d(pixels)
    pixels = np.repeat(pixels, 3, axis=2) if channels == 1 else pixels[..., :3]
    pixels = _to_8_bits(np.ascontiguousarray(pixels), reading.value_range)
    if pixels.dtype != np.uint8:
        raise ValueError(f'has values of {pixels.dtype}; expected uint8 from 0 to 255')
    if reading.color_type.startswith('grayscale'):
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    return _finish(pixels, reading)


def _finish(pixels: np.ndarray, reading: Reading) -> np.ndarray:
    if reading.value_range:
        pixels = _to_8_bits(pixels, reading.value_range)
    return pixels.astype(np.float32) if reading.to_float32 else pixels


def _to_8_bits(pixels: np.ndarray, value_range: tuple[float, float] | None) -> np.ndarray:
    """Reduce values of more than 8 bits. Without a range, change 16-bit values alone."""
    if pixels.dtype == np.uint8:
        return pixels
    if value_range is None:
        return (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
    low, high = value_range
    scaled = (np.nan_to_num(pixels.astype(np.float64)) - low) * (255 / (high - low))
    return scaled.clip(0, 255).round().astype(np.uint8)


def _scale_as_pillow(pixels: np.ndarray, white: int) -> np.ndarray:
    """Scale values so that white is the largest one of the type that Pillow uses."""
    kind = np.uint16 if pixels.ndim == 2 and white > 255 else np.uint8
    largest = np.iinfo(kind).max
    values = np.arange(np.iinfo(pixels.dtype).max + 1) / white * largest
    return values.round().clip(0, largest).astype(kind)[pixels]
