"""Find images that cannot be read before a run works on them, in bounded time."""

import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wrn.data.damage import find_damage
from wrn.data.images import get_content, prefetch
from wrn.data.images.header import read_header
from wrn_base.errors import one_line

_SECONDS = 20.0  # of decoding
_HEAD = 1 << 16  # bytes; longer headers are rare, and their files are decoded
_AHEAD = 64  # files that a thread may be ahead of the others
_INTERVAL = 0.5  # seconds between reports of progress


@dataclass
class EarlyCheck:
    """The result of a check.

    Attributes:
        damaged: The images that cannot be read, and the reasons.
        decoded: The number of images that were decoded. Of the others, the header was read.
    """

    damaged: dict[str, str] = field(default_factory=dict)
    decoded: int = 0


def check_early(
    paths: Sequence[str],
    progress: Callable[[int], None] = lambda done: None,
    seconds: float = _SECONDS,
) -> EarlyCheck:
    """Check images: decode them for some seconds, and read the headers of the rest.

    Args:
        paths: The image files. The first ones are decoded.
        progress: Is called from time to time with the number of images that are checked. Defaults
            to nothing.
        seconds: How long to decode. Defaults to 20.

    Returns:
        What was found.
    """
    end = time.monotonic() + seconds
    workers = os.cpu_count() or 1
    result, reported = EarlyCheck(), time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Pillow warns about damage that it tolerates
        found = prefetch(lambda path: _check(path, end), paths, workers, _AHEAD * workers)
        for i, (path, (reason, decoded)) in enumerate(zip(paths, found, strict=True)):
            result.decoded += decoded
            if reason:
                result.damaged[path] = reason
            if time.monotonic() - reported >= _INTERVAL:
                reported = time.monotonic()
                progress(i + 1)
    return result


def _check(path: str, end: float) -> tuple[str | None, bool]:
    """Return why an image cannot be read, and whether it was decoded."""
    try:
        if time.monotonic() >= end and _has_header(path):
            return None, False
        damage = find_damage(get_content(path), path)
    except (OSError, ValueError) as error:
        return one_line(error), True
    # Other damage is tolerated, and the reading step of a config may know the range of values.
    fatal = damage and damage.kind in ('unreadable', 'truncated')
    return damage.reason if damage and fatal else None, True


def _has_header(path: str) -> bool:
    if not os.path.isfile(path):  # reading a pipe may have no end
        return False
    with open(path, 'rb') as file:
        try:
            return read_header(file.read(_HEAD)) is not None
        except ValueError:  # or the header is longer
            return False
