"""Find images whose values use a small part of the range of their files."""

from collections.abc import Sequence

import numpy as np

from wrn.data.images import Reading, decode_image, get_content
from wrn.data.images.header import read_header
from wrn_base.errors import ImageReadError, count

_SMALL = 14  # bits; a camera of 14 bits uses a fourth of 16 bits
_SAMPLE = 100  # images
_UNCHANGED = Reading(color_type='unchanged')


def find_largest(content: bytes, name: str) -> int | None:
    """Return the largest value of an image of more than 8 bits.

    Args:
        content: The content of an image file that can be read.
        name: The name of the file, for messages.

    Returns:
        The value. None for 8 bits, for floats, and if the header states the value of white.
    """
    header = read_header(content)
    if header is None or header.bits <= 8 or header.white:
        return None
    pixels = decode_image(content, name, _UNCHANGED)
    return int(pixels.max()) if pixels.dtype.kind in 'iu' else None


def needed_bits(largest: int | None) -> int | None:
    """Return the bits that images need, if that is a small part of the 16 bits of their files.

    Args:
        largest: The largest value of all images of more than 8 bits. None if there are none.
    """
    bits = None if largest is None else max(8, largest.bit_length())
    return bits if bits is not None and bits <= _SMALL else None


def advise_depth(paths: Sequence[str], bit_depth: int | None) -> str | None:
    """Compare the values of a sample of images with the bit depth that they are read with.

    Args:
        paths: The files.
        bit_depth: The bit depth. None if 16-bit files are read as such.

    Returns:
        What is wrong and what to do. None if nothing is.
    """
    values = []
    for i in np.unique(np.linspace(0, len(paths) - 1, _SAMPLE).astype(int)):
        try:
            values.append(find_largest(get_content(paths[i]), paths[i]))
        except (ImageReadError, OSError, ValueError):
            continue  # training names or skips it
    deep = [value for value in values if value is not None]
    looked = f'of {count(len(values), "image")}, {len(deep)} have more than 8 bits'
    largest = max(deep, default=None)
    if bit_depth is not None:
        if largest is None:
            return f'{looked}, so --bit-depth {bit_depth} changes nothing; leave it out'
        if largest >= 1 << bit_depth:
            return f'{looked}, with values up to {largest}; --bit-depth {bit_depth} clips them'
    elif bits := needed_bits(largest):
        levels = count((largest or 0) // 256 + 1, 'level')
        return (
            f'{looked}, but their values end at {largest}, which leaves {levels} of 256; add '
            f'--bit-depth {bits} to read them as {bits}-bit images'
        )
    return None
