"""Name and write the drawings of images."""

import re
from os import PathLike
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import cv2
import numpy as np

from wrn.utils.files import write_atomically

_LENGTH = 40  # characters, each of at most 4 bytes; file systems allow names of 255 bytes


def name_drawing(number: int, image: str | PathLike[str] | None) -> str:
    """Return the beginning of the names of the files about an image.

    Args:
        number: The position of the image in the inputs, which makes the names differ.
        image: The path or URL of the image. None if it has none.

    Returns:
        Six digits and the name of the image without its suffix, such as ``'000007-cat'``. All but
        letters, digits, ``-``, ``_`` and ``.`` is ``_``. A long name is cut.
    """
    path = str(image or 'image')
    path = urlsplit(path).path if re.match(r'https?://', path, re.IGNORECASE) else path
    stem = PurePosixPath(path.replace('\\', '/')).stem
    safe = ''.join(c if c.isalnum() or c in '-_.' else '_' for c in stem[:_LENGTH])
    return f'{number:06}-{safe or "image"}'


def encode_png(pixels: np.ndarray) -> bytes:
    """Return an image as PNG.

    Args:
        pixels: The image, ``(H, W, 3)``, RGB, uint8.
    """
    return cv2.imencode('.png', cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()


def write_drawing(path: str | Path, pixels: np.ndarray, overwrite: bool = False) -> None:
    """Write a PNG.

    Args:
        path: The file.
        pixels: RGB, ``(H, W, 3)``, uint8.
        overwrite: Whether to replace a file that exists. Defaults to False.

    Raises:
        WrnError: If the file cannot be written, or exists.
    """
    content = encode_png(pixels)
    with write_atomically(path, overwrite) as file:
        file.write(content)


def write_map(path: str | Path, raw_map: np.ndarray, overwrite: bool = False) -> None:
    """Write a map as ``.npy``.

    Args:
        path: The file.
        raw_map: The map, ``(h, w)``.
        overwrite: Whether to replace a file that exists. Defaults to False.

    Raises:
        WrnError: If the file cannot be written, or exists.
    """
    with write_atomically(path, overwrite) as file:
        np.save(file, raw_map, allow_pickle=False)
