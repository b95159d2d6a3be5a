"""Tell whether a file is a whole picture, and of the kind that its name says."""

import io
import re
from pathlib import Path
from typing import IO, NamedTuple

from PIL import Image, UnidentifiedImageError

from wrn.data.images.read import check_depth

_SAME = {'MPO': 'JPEG'}  # cameras write it: a JPEG with more pictures behind the first
_CUT_OFF = re.compile('truncated|incomplete', re.IGNORECASE)


class Damage(NamedTuple):
    """What is wrong with a file."""

    kind: str
    """``'unreadable'``, ``'truncated'`` or ``'misnamed'``."""
    reason: str
    """What to say after its name."""


def find_damage(file: IO[bytes], name: str) -> Damage | None:
    """Look for damage in a picture by decoding it.

    A JPEG is decoded to an eighth of its size, for which all of its data are gone through. What
    was changed inside a picture may show in its pixels only, and is not found; in a PNG it is, by
    checksums.

    Args:
        file: The file, open for reading bytes.
        name: Its name, whose extension should be that of its content.

    Returns:
        What is wrong; None for a whole picture.
    """
    try:
        kind = _decode(file)
    except UnidentifiedImageError:
        empty = file.seek(0, io.SEEK_END) == 0
        return Damage('unreadable', 'the file is empty' if empty else 'it is no picture')
    except Exception as error:  # decoders of damaged files raise errors of every kind
        reason = ' '.join(str(error).split()) or type(error).__name__
        return Damage('truncated' if _CUT_OFF.search(reason) else 'unreadable', reason)
    suffix = Path(name).suffix.lower()
    if Image.registered_extensions().get(suffix, kind) == kind:
        return None
    return Damage('misnamed', f'it is a {kind}, not a {suffix}')


def _decode(file: IO[bytes]) -> str:
    """Decode a picture and return its format; raises something if that cannot be done."""
    picture = Image.open(file)
    if picture.format == 'PNG':  # decoding looks neither at its checksums nor for its end
        picture.verify()
        if len(file.read(4)) < 4:
            raise OSError('truncated PNG file')
        file.seek(0)
        picture = Image.open(file)
    picture.draft('L', (1, 1))
    picture.load()
    check_depth(picture)
    return _SAME.get(str(picture.format), str(picture.format))
