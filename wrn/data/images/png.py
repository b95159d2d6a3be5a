"""Leave out the parts of a PNG that do not change its pixels."""

import struct

MAX_CHUNKS = 1 << 17  # an image of 512 MiB in libpng's usual chunks has half as many
# Opacity, orientation, and what APNG adds: the frames of an animation.
_USED = {b'tRNS', b'eXIf', b'bKGD', b'acTL'}
_REPEATED = {b'fcTL', b'fdAT'}
_USED_BY_GRAY = {b'gAMA', b'cHRM', b'sRGB', b'iCCP', b'cICP'}  # libpng mixes linear colors
_ANCILLARY = 0x20  # bit of the first letter


def drop_unused_chunks(content: bytes, gray: bool) -> bytes:
    """Leave out the chunks of a PNG that OpenCV does not use.

    libpng prints a line on standard error about each of them that is damaged.

    Args:
        content: The content of the file.
        gray: Whether the colors are reduced to gray values.

    Returns:
        The content without these chunks. A file that is cut off is returned as it is.

    Raises:
        ValueError: If it has more than :data:`MAX_CHUNKS`.
    """
    used = _USED | _USED_BY_GRAY if gray else _USED
    kept, place, number, kind = [content[:8]], 8, 0, b''
    while kind != b'IEND':
        number += 1
        if number > MAX_CHUNKS:
            raise ValueError(f'it has more than {MAX_CHUNKS} chunks')
        if len(content) < place + 12:
            return content
        size, kind = struct.unpack_from('>I4s', content, place)
        end = place + 12 + size
        if not kind[0] & _ANCILLARY or kind in _REPEATED:
            kept.append(content[place:end])
        elif kind in used:
            used = used - {kind}  # decoders use the first one
            kept.append(content[place:end])
        place = end
    return b''.join(kept) if place <= len(content) else content
