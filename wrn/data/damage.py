"""Check whether a file is a complete image of the format that its extension names."""

import re
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from wrn.data.images import decode_image
from wrn.data.images.decoding import ValueRangeError
from wrn.data.images.header import read_header
from wrn_base.errors import ImageReadError, one_line

_TRUNCATED = re.compile('truncated|incomplete|cut off', re.IGNORECASE)
_SMALLEST = 8  # a JPEG is decoded at an eighth of its size, which reads all of its data


class Damage(NamedTuple):
    """The damage of a file."""

    kind: str
    """``'unreadable'``, ``'range'``, ``'truncated'``, ``'changed'`` or ``'misnamed'``."""
    reason: str
    """The text after the name of the file in a message."""


def find_damage(content: bytes, name: str) -> Damage | None:
    """Look for damage in an image by decoding it, as training and prediction do.

    A PNG has checksums, so changed bytes are found. In other formats, changed bytes may only change
    pixels.

    Args:
        content: The content of the file.
        name: The name of the file. Its extension should match the content.

    Returns:
        The damage. None for a complete image.
    """
    try:
        decode_image(content, name, reduction=_SMALLEST)
    except ImageReadError as error:
        reason = one_line(error.__cause__ or error)
        if isinstance(error.__cause__, ValueRangeError):
            return Damage('range', reason)
        return Damage('truncated' if _TRUNCATED.search(reason) else 'unreadable', reason)
    header = read_header(content)
    kind = header.format if header else ''
    if kind == 'PNG' and not _has_checksums(content):
        return Damage('changed', 'a checksum is wrong, so its bytes were changed')
    suffix = Path(name).suffix.lower()
    named = Image.registered_extensions().get(suffix, kind)
    if named == kind or {named, kind} == {'MPO', 'JPEG'}:
        return None
    return Damage('misnamed', f'it is a {kind}, not a {suffix}')


def _has_checksums(content: bytes) -> bool:
    """Return whether each chunk of a PNG, up to its end, has the right checksum."""
    place = 8
    while place + 12 <= len(content):
        (length,) = struct.unpack_from('>I', content, place)
        end = place + 8 + length
        chunk = content[place + 4 : end]
        if content[end : end + 4] != zlib.crc32(chunk).to_bytes(4, 'big'):
            return False
        if chunk.startswith(b'IEND'):
            return True
        place = end + 4
    return False
