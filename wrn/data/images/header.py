"""Read the format and the size of an image from its header, before a decoder allocates memory."""

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from wrn.data.images.bounds import MAX_PIXELS, SAMPLES, bounded, check_size
from wrn.data.images.jpeg2000 import read_jpeg2000

# Scans of a JPEG, and their pixels together: each costs the time of all pixels.
MAX_SCANS, MAX_SCANNED = 200, 1 << 31
_MARKER = re.compile(rb'\xff([^\x00\xff\xd0-\xd8\x01])', re.DOTALL)  # of a JPEG
_PNM_BYTES = 1 << 14  # of the header of a PNM, with its comments
_NUMBER = rb'(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})(?=\s)'  # decoders end a comment at either
_TAGS = frozenset((256, 257, 258, 262, 277, 322, 323, 339))  # of a TIFF: sizes, bits, colors
_LAB = (8, 9, 10)  # of tag 262: kinds of CIELab, which OpenCV and Pillow convert differently
_INTEGERS = {1: 'B', 3: 'H', 4: 'I', 6: 'b', 8: 'h', 9: 'i', 16: 'Q', 17: 'q'}  # types of a tag

_Size: TypeAlias = tuple[int, int]


class Header(NamedTuple):
    """What the header of an image says."""

    format: str
    """Pillow's name of the format."""
    sizes: list[_Size]
    """Each width and height that a decoder may allocate memory for."""
    bits: int = 8
    """The bits of each value, if they are known; at least 8."""
    plain: bool = True
    """Whether the values are unsigned integers of at most 16 bits."""
    white: int = 0
    """The value of white that the header states. 0 if it is the usual one of the bits."""
    scans: int = 1
    """The scans of a JPEG, of which each takes the time of all pixels."""


def read_header(content: bytes) -> Header | None:
    """Read the header of an image, in any of the known formats.

    Args:
        content: The content of the file.

    Returns:
        The header. None if the format is unknown.

    Raises:
        ValueError: If the header is damaged, or the image is too large: ``bounds`` has the limits.
    """
    for signature, name, read in _FORMATS:
        if re.match(signature, content, re.DOTALL):
            try:
                found = read(content)
                header = found if isinstance(found, Header) else Header(name, list(found))
            except (struct.error, IndexError, KeyError):
                header = Header(name, [])
            break
    else:
        return None
    if not header.sizes or min(map(min, header.sizes)) < 1:
        raise ValueError(f'its header is cut off or not that of a {header.format}')
    check_size(*max(header.sizes, key=lambda size: size[0] * size[1]), header.bits)
    return header


def _png(content: bytes) -> Header:
    if content[12:16] != b'IHDR':
        return Header('PNG', [])
    size = struct.unpack_from('>II', content, 16)
    return Header('PNG', [size], max(8, content[24]))


def _gif(content: bytes) -> list[_Size]:
    return [struct.unpack_from('<HH', content, 6)]


def _bmp(content: bytes) -> list[_Size]:
    if struct.unpack_from('<I', content, 14) == (12,):
        return [struct.unpack_from('<HH', content, 18)]
    width, height = struct.unpack_from('<ii', content, 18)
    return [(width, abs(height))]


def _webp(content: bytes) -> list[_Size]:
    kind = content[12:16]
    if kind == b'VP8X':
        low = struct.unpack_from('<HBHB', content, 24)
        return [(low[0] + (low[1] << 16) + 1, low[2] + (low[3] << 16) + 1)]
    if kind == b'VP8L':
        (bits,) = struct.unpack_from('<I', content, 21)
        return [((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)]
    width, height = struct.unpack_from('<HH', content, 26)
    return [(width & 0x3FFF, height & 0x3FFF)]


def _pnm(content: bytes) -> Header:
    head = content[:_PNM_BYTES]
    found = re.match(rb'P.' + 2 * _NUMBER, head)
    size = [(int(found[1]), int(found[2]))] if found else []
    if head[1:2] in b'14':  # black and white
        return Header('PPM', size)
    found = re.match(rb'P.' + 3 * _NUMBER, head)
    white = int(found[3]) if found else 0
    if not 0 < white < 1 << 16:
        return Header('PPM', [])
    usual = white in (255, 65535)
    return Header('PPM', size, 8 if white < 256 else 16, white=0 if usual else white)


def _markers(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield the markers of a JPEG that begin a segment, and the place of the segment."""
    place = 2
    while found := _MARKER.search(content, place):
        place = found.end()
        yield found[1][0], place
        place += max(2, int.from_bytes(content[place : place + 2], 'big'))


def _jpeg(content: bytes) -> Header:
    """Read the size of each frame, up to the end of the image, and count the scans."""
    sizes: list[_Size] = []
    scans = pixels = 0
    for kind, place in bounded(_markers(content)):
        if kind == 0xD9:
            break
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from('>HH', content, place + 3)
            pixels = max(pixels, width * height)
            sizes.append((width, height))
        scans += kind == 0xDA
        if scans > MAX_SCANS or (pixels <= MAX_PIXELS and scans * pixels > MAX_SCANNED):
            raise ValueError(f'it has more than {scans - 1} scans, too many for its size')
    return Header('JPEG', sizes, scans=max(1, scans))


def _jpeg2000(content: bytes) -> Header:
    return Header('JPEG2000', *read_jpeg2000(content))


def _avif(content: bytes) -> Iterator[_Size]:
    for found in bounded(re.finditer(rb'ispe\0', content)):  # whatever the flags that follow are
        yield struct.unpack_from('>II', content, found.end() + 3)


def _tiff(content: bytes) -> Header:
    """Read the tags of the first image. A decoder allocates memory for a tile at a time.

    Of a tag that is there twice, libtiff takes the first and Pillow the last. This takes the
    largest.
    """
    order = '<' if content.startswith(b'I') else '>'
    big = content[2:4] in (b'+\0', b'\0+')
    (place,) = struct.unpack_from(f'{order}{"Q" if big else "I"}', content, 8 if big else 4)
    (number,) = struct.unpack_from(f'{order}{"Q" if big else "H"}', content, place)
    tags: dict[int, int] = {}
    step, first, inline = (20, place + 8, 8) if big else (12, place + 2, 4)
    for i in range(min(number, 1 << 16)):
        entry = first + i * step
        tag, kind = struct.unpack_from(f'{order}HH', content, entry)
        (count,) = struct.unpack_from(f'{order}{"Q" if big else "I"}', content, entry + 4)
        code = _INTEGERS.get(kind)
        if code and count and tag in _TAGS:
            at = entry + (12 if big else 8)
            if count * struct.calcsize(code) > inline:
                (at,) = struct.unpack_from(f'{order}{"Q" if big else "I"}', content, at)
            (value,) = struct.unpack_from(f'{order}{code}', content, at)
            tags[tag] = max(value, tags.get(tag, 0))
    if tags.get(262) in _LAB:
        raise ValueError('its colors are CIELab; save it as RGB')
    factor = max(1, -(-tags.get(277, 1) // SAMPLES))
    sizes = [(tags[256] * factor, tags[257])]
    if 322 in tags and 323 in tags:
        sizes.append((tags[322] * factor, tags[323]))
    bits = tags.get(258, 1)
    return Header('TIFF', sizes, max(8, bits), tags.get(339, 1) in (1, 4) and bits <= 16)


_Reader: TypeAlias = Callable[[bytes], Header | Iterable[_Size]]
_FORMATS: tuple[tuple[bytes, str, _Reader], ...] = (
    (rb'\xff\xd8\xff', 'JPEG', _jpeg),
    (rb'\x89PNG\r\n\x1a\n', 'PNG', _png),
    (rb'GIF8[79]a', 'GIF', _gif),
    (rb'BM', 'BMP', _bmp),
    (rb'RIFF....WEBP', 'WEBP', _webp),
    (rb'II[*+]\0|MM\0[*+]', 'TIFF', _tiff),
    (rb'P[1-6]\s', 'PPM', _pnm),
    (rb'\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51', 'JPEG2000', _jpeg2000),
    (rb'....ftyp(?:avif|avis|mif1|msf1|miaf)', 'AVIF', _avif),
)
