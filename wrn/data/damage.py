"""Check whether a file is a complete image of the format that its extension names."""

import io
import re
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from wrn.data.images.read import check_depth
from wrn.utils.errors import one_line

_SAME = {'MPO': 'JPEG'}  # some cameras write MPO: a JPEG followed by more images
_TRUNCATED = re.compile('truncated|incomplete', re.IGNORECASE)


class Damage(NamedTuple):
    """The damage of a file."""

    kind: str
    """``'unreadable'``, ``'truncated'`` or ``'misnamed'``."""
    reason: str
    """The text after the name of the file in a message."""


def find_damage(content: bytes, name: str) -> Damage | None:
    """Look for damage in an image by decoding it.

    A JPEG is decoded at an eighth of its size, which reads all of its data. A PNG has checksums, so
    changed bytes are found. In other formats, changed bytes may only change pixels.

    Args:
        content: The content of the file.
        name: The name of the file. Its extension should match the content.

    Returns:
        The damage. None for a complete image.
    """
    try:
        kind = _decode(content)
    except UnidentifiedImageError:
        return Damage('unreadable', 'not an image' if content else 'the file is empty')
    except Exception as error:  # decoders of damaged files raise many types
        reason = one_line(error)
        return Damage('truncated' if _TRUNCATED.search(reason) else 'unreadable', reason)
    suffix = Path(name).suffix.lower()
    if Image.registered_extensions().get(suffix, kind) == kind:
        return None
    return Damage('misnamed', f'it is a {kind}, not a {suffix}')


def _decode(content: bytes) -> str:
    """Decode an image and return its format. Raise any exception if that fails."""
    file = io.BytesIO(content)
    image = Image.open(file)
    if image.format == 'PNG':  # decoding checks neither checksums nor the end
        image.verify()
        if len(file.read(4)) < 4:
            raise OSError('truncated PNG file')
        image = Image.open(io.BytesIO(content))
    image.draft('L', (1, 1))
    image.load()
    check_depth(image)
    return _SAME.get(str(image.format), str(image.format))
