"""Leave out the parts of a PNG that do not change its pixels, and bound the data of its pixels."""

import struct
import zlib
from collections.abc import Iterator

MAX_CHUNKS = 1 << 17  # an image of 512 MiB in libpng's usual chunks has half as many
# Opacity, orientation, and what APNG adds: the frames of an animation.
_USED = {b'tRNS', b'eXIf', b'bKGD', b'acTL'}
_REPEATED = {b'fcTL', b'fdAT'}
_USED_BY_GRAY = {b'gAMA', b'cHRM', b'sRGB', b'iCCP', b'cICP'}  # libpng mixes linear colors
_ANCILLARY = 0x20  # bit of the first letter
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by color type
# Columns and rows of the passes of an interlaced image: first, step, first, step.
_PASSES = (
    (0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2)
)  # fmt: skip
_MAX_RATIO = 1032  # of decompressed to compressed bytes of zlib
_HEADER = 33  # bytes up to the end of the first chunk
_SLACK = 4096  # bytes; an encoder that does not compress adds some to each block
_FREE = 1 << 24  # bytes that decompress in milliseconds


class PixelDataError(ValueError):
    """A PNG with more data than its pixels have. libpng would decompress all of it."""

    def __init__(self, size: int) -> None:
        super().__init__(f'its data decompress to more than the {size} bytes of its pixels')


def drop_unused_chunks(content: bytes, gray: bool) -> bytes:
    """Leave out the chunks of a PNG that OpenCV does not use.

    libpng prints a line on standard error about each of them that is damaged.

    Args:
        content: The content of the file.
        gray: Whether the colors are reduced to gray values.

    Returns:
        The content without these chunks. A file that is cut off is returned as it is.

    Raises:
        ValueError: If it has more than :data:`MAX_CHUNKS`, or more data than pixels.
    """
    if len(content) < _HEADER:
        return content
    used = _USED | _USED_BY_GRAY if gray else _USED
    kept, place, number, kind = [content[:8]], 8, 0, b''
    # Compressed data are not much longer than what they decompress to.
    pixels = _pixel_bytes(content)
    left = 2 * pixels + _SLACK
    while kind != b'IEND':
        number += 1
        if number > MAX_CHUNKS:
            raise ValueError(f'it has more than {MAX_CHUNKS} chunks')
        if len(content) < place + 12:
            return content
        size, kind = struct.unpack_from('>I4s', content, place)
        end = place + 12 + size
        left -= size if kind == b'IDAT' else 0
        if left < 0:
            raise PixelDataError(pixels)
        if not kind[0] & _ANCILLARY or kind in _REPEATED:
            kept.append(content[place:end])
        elif kind in used:
            used = used - {kind}  # decoders use the first one
            kept.append(content[place:end])
        place = end
    return b''.join(kept) if place <= len(content) else content


def check_pixel_data(content: bytes) -> None:
    """Check that the data of a PNG do not decompress to more than its pixels.

    This takes about as long as decoding, so it is for files from strangers.
    :func:`drop_unused_chunks` refuses those whose compressed data are too long already.

    Args:
        content: The content of the file.

    Raises:
        PixelDataError: If they do.
    """
    if len(content) < _HEADER:
        return  # cut off, which the decoder reports
    pixels = _pixel_bytes(content)
    parts = list(_pixel_data(content))
    if sum(map(len, parts)) * _MAX_RATIO <= pixels + _FREE:
        return
    decompressor, left = zlib.decompressobj(), pixels
    for part in parts:
        waiting: bytes | memoryview = part
        while waiting:
            try:
                # One byte more than the pixels have; at most so much memory at a time.
                left -= len(decompressor.decompress(waiting, min(left + 1, _FREE)))
            except zlib.error:
                return  # damaged, which the decoder reports
            if left < 0:
                raise PixelDataError(pixels)
            waiting = decompressor.unconsumed_tail


def _pixel_data(content: bytes) -> Iterator[memoryview]:
    """Yield the compressed data of the pixels, a chunk at a time."""
    place, kind = 8, b''
    while kind != b'IEND' and len(content) >= place + 12:
        size, kind = struct.unpack_from('>I4s', content, place)
        if kind == b'IDAT':
            yield memoryview(content)[place + 8 : place + 8 + size]
        place += 12 + size


def _pixel_bytes(content: bytes) -> int:
    """Return the number of bytes that the data of a PNG decompress to, by its header."""
    width, height, depth, color, _, _, interlaced = struct.unpack_from('>IIBBBBB', content, 16)
    bits = depth * _CHANNELS.get(color, 4)
    passes = _PASSES if interlaced else ((0, 1, 0, 1),)
    total = 0
    for left, across, top, down in passes:
        columns, rows = -((left - width) // across), -((top - height) // down)
        if columns > 0:
            total += max(0, rows) * (1 + (columns * bits + 7) // 8)  # a byte for the filter
    return total
