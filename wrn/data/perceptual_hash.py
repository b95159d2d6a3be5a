"""Compute perceptual hashes, which are close for images that look alike."""

import hashlib
import os

import cv2
import numpy as np
from PIL import Image

from wrn.data.images import EncodedImage, ImageLike, Reading, decode_image, get_content, read_image
from wrn.data.images.decoding import COLOR
from wrn.data.images.header import read_header

LEAST = 4
"""The fewest pixels of a side. Random images of 3x3 pixels have equal hashes."""
_SIDE = 32  # pixels; the hash is computed from so many rows and columns
_DECODED = 128  # pixels of the shorter side; a JPEG that is decoded smaller has another hash
_FLAT = 1.0  # standard deviation of the gray values; below, the hash is that of noise


def hash_image(image: ImageLike, reading: Reading) -> tuple[int | None, bytes]:
    """Return the perceptual hash of an image, and a digest of its content.

    Args:
        image: A path, an image in an archive, or an array.
        reading: The options of the config's reading step.

    Returns:
        The hash, as :func:`hash_pixels` returns it; and the SHA-256 of the bytes of the file, or of
        the pixels of an array.

    Raises:
        ImageReadError: If it cannot be read as an image.
        OSError: If the file cannot be opened.
        ValueError: If the header cannot be read.
    """
    if isinstance(image, EncodedImage) and not image.problem:
        content, name = image.content, image.name
    elif isinstance(image, str | os.PathLike):
        content, name = get_content(str(image)), str(image)
    else:
        pixels = read_image(image, reading)
        return hash_pixels(pixels), hashlib.sha256(pixels.tobytes()).digest()
    return hash_content(content, name, reading), hashlib.sha256(content).digest()


def hash_content(content: bytes, name: str, reading: Reading = COLOR) -> int | None:
    """Return the perceptual hash of the content of an image file.

    A JPEG is decoded at 1/2 to 1/8 of its size if its shorter side keeps 128 pixels. This changes
    at most 2 bits of the hash.

    Args:
        content: The content.
        name: The name of the file, for messages.
        reading: The options of the config's reading step. Defaults to color.

    Returns:
        The hash, of 64 bits. None for an image of nearly one color, or with a side of fewer than
        4 pixels.

    Raises:
        ImageReadError: If the content cannot be read as an image.
        ValueError: If its header cannot be read.
    """
    header = read_header(content)
    side = min(map(min, header.sizes)) if header else 0
    reduction = next((n for n in (8, 4, 2) if side >= n * _DECODED), 1)
    return hash_pixels(decode_image(content, name, reading, reduction))


def hash_pixels(pixels: np.ndarray) -> int | None:
    """Return the perceptual hash of an image: imagehash's ``phash``.

    It has a bit for each of the 8x8 lowest frequencies of the gray image, which is set if the
    coefficient is above the median.

    Args:
        pixels: ``(H, W)`` or ``(H, W, C)``, BGR or RGB, from 0 to 255.

    Returns:
        The hash, of 64 bits. None for an image of nearly one color, or with a side of fewer than
        4 pixels.
    """
    import imagehash

    if min(pixels.shape[:2]) < LEAST:
        return None
    pixels = pixels.astype(np.uint8, copy=False)
    if pixels.ndim == 3:
        color = pixels.shape[2] > 2
        pixels = cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2GRAY) if color else pixels[..., 0]
    small = Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    if np.asarray(small).std() < _FLAT:
        return None
    bits = imagehash.phash(small).hash  # which leaves the size as it is
    return int.from_bytes(np.packbits(bits).tobytes(), 'big')
