"""Bound what an image asks for: memory for its pixels, and time for the parts of its file."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

MAX_PIXELS = 1 << 27  # 134 million of 8 bits; with four bytes each, they take half a gigabyte
MAX_ASPECT = 500  # one side to the other: pipelines scale the short side up to a fixed length
SAMPLES = 4  # per pixel; more of them count as more pixels
MAX_PARTS = 10_000  # a JPEG with profile, depth map and progressive scans has a few hundred

_Part = TypeVar('_Part')


class ImageSizeError(ValueError):
    """An image that is too large, or too long.

    Attributes:
        size: The width and height in pixels.
    """

    def __init__(self, size: tuple[int, int], problem: str) -> None:
        width, height = self.size = size
        super().__init__(f'{width}x{height} pixels{problem}')


class AspectRatioError(ImageSizeError):
    """An image that is too long. A smaller one would be, too."""


def check_size(width: int, height: int, bits: int = 8) -> None:
    """Check the size of an image before memory is allocated for it.

    Args:
        width: The width in pixels.
        height: The height in pixels.
        bits: The bits of each value. Defaults to 8.

    Raises:
        ImageSizeError: If it has more than :data:`MAX_PIXELS`.
        AspectRatioError: If one side is more than :data:`MAX_ASPECT` times the other.
    """
    if width * height * (bits / 8) > MAX_PIXELS:
        most = str(MAX_PIXELS) if bits <= 8 else f'{MAX_PIXELS * 8 // bits} of {bits} bits'
        raise ImageSizeError((width, height), f' are more than {most}')
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise AspectRatioError((width, height), f': one side is over {MAX_ASPECT} times the other')


def bounded(parts: Iterable[_Part]) -> Iterator[_Part]:
    """Yield the markers, boxes or other parts of a file.

    Args:
        parts: The parts.

    Raises:
        ValueError: If there are more than :data:`MAX_PARTS`.
    """
    for number, part in enumerate(parts):
        if number == MAX_PARTS:
            raise ValueError(f'it has more than {MAX_PARTS} markers or boxes')
        yield part
