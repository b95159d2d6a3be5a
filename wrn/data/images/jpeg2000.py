"""Read the sizes that the codestream of a JPEG 2000 image states.

A decoder allocates memory for each pixel, each tile and each code block. A file of 300 bytes can
ask for millions of each of them.
"""

import re
import struct
from collections.abc import Iterator

from wrn.data.images.bounds import SAMPLES, bounded, check_size

_MAX_TILES = 1 << 16  # times the channels; OpenJPEG allocates 4 kB for each
_MAX_BLOCKS = 1 << 19  # of all channels; 500 to 1500 bytes for each
_SIZE = re.compile(rb'\xff\x4f\xff\x51')
# The coding style, of all channels or of one: length, style, levels, and exponents of the blocks.
_STYLES = tuple(
    re.compile(rb'\xff' + start + rb'([\0-\x20])([\0-\x08])([\0-\x08])..(.{0,33}))', re.DOTALL)
    for start in (
        rb'\x52(?=\0(.)([\0-\7]).{3}[\0\1]',
        rb'\x53(?=\0(.).(.)',
        rb'\x53(?=\0(.)..(.)',
    )
)
_LENGTHS = (12, 9, 10)  # of these without precincts


def read_jpeg2000(content: bytes) -> tuple[list[tuple[int, int]], int]:
    """Return each width and height in the headers of codestreams, and the bits of a value.

    Args:
        content: The content of the file.

    Raises:
        ValueError: If the image has too many pixels, tiles or code blocks.
        struct.error: If a header is cut off.
    """
    sizes, bits = [], 8
    widest = highest = channels = 0
    for found in bounded(_SIZE.finditer(content)):
        right, bottom, left, top, *tile, _, _, samples, precision = struct.unpack_from(
            '>8IHB', content, found.end() + 4
        )
        sizes.append(((right - left) * _divide(samples, SAMPLES), bottom - top))
        check_size(*sizes[-1])
        tiles = samples * _divide(right, tile[0]) * _divide(bottom, tile[1])
        if tiles > _MAX_TILES:
            raise ValueError(f'its {tiles} tiles of all channels are more than {_MAX_TILES}')
        bits = max(bits, (precision & 0x7F) + 1)
        widest, highest = max(widest, right - left), max(highest, bottom - top)
        channels = max(channels, samples)
    for levels, exponents in _find_styles(content):
        blocks = channels * sum(
            _divide(widest, 1 << levels - level + x) * _divide(highest, 1 << levels - level + y)
            for level, (x, y) in enumerate(exponents)
        )
        if blocks > _MAX_BLOCKS:
            raise ValueError(f'its {blocks} code blocks are more than {_MAX_BLOCKS}')
    return sizes, bits


def _find_styles(content: bytes) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield the levels of each coding style, and the exponents of its blocks at each of them."""
    for pattern, base in zip(_STYLES, _LENGTHS, strict=True):
        for found in bounded(pattern.finditer(content)):
            length, style, levels, x, y = (part[0] for part in found.groups()[:5])
            precincts = found[6][: levels + 1] if style & 1 else b'\xff' * (levels + 1)
            if length == base + (levels + 1 if style & 1 else 0) and len(precincts) == levels + 1:
                yield levels, [(min(x + 2, p & 15), min(y + 2, p >> 4)) for p in precincts]


def _divide(length: int, step: int) -> int:
    return -(-length // max(step, 1))
