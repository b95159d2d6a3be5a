"""Bound the pixels of images that Pillow opens by a number of the caller's.

Pillow warns of images of more than 89 million pixels, and refuses those of twice as many. That
number is one for the process, and so are the filters of warnings, which threads would change for
each other. We wrap the function that checks a size. It stays as it is outside of our blocks.

Can go when ``Image.open`` takes the number as an argument.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, cast

from PIL import Image

_of_thread = threading.local()
_check: Any = cast(Any, Image)._decompression_bomb_check


@contextlib.contextmanager
def bound_pixels(limit: int) -> Iterator[None]:
    """Check the sizes that Pillow finds in a block, without warnings.

    Args:
        limit: The largest number of pixels.

    Raises:
        PIL.Image.DecompressionBombError: If an image of the block has more.
    """
    before = getattr(_of_thread, 'limit', None)
    _of_thread.limit = limit
    try:
        yield
    finally:
        _of_thread.limit = before


def _check_unless_bound(size: tuple[int, int], **options: Any) -> None:
    limit = getattr(_of_thread, 'limit', None)
    if limit is None:
        _check(size, **options)
    elif size[0] * size[1] > limit:
        raise Image.DecompressionBombError(f'{size[0]}x{size[1]} pixels are more than {limit}')


cast(Any, Image)._decompression_bomb_check = _check_unless_bound
