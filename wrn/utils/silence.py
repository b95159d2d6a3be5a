"""Keep off standard output what packages print."""

import contextlib
import io
import threading
from collections.abc import Iterator

_lock = threading.RLock()


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Drop what is printed during a block.

    Standard output belongs to all threads, so another thread waits until the block of the first one
    ends: it would take the dropped output for the real one, and restore that.
    """
    with _lock, contextlib.redirect_stdout(io.StringIO()):
        yield
