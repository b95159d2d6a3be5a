"""Open pipes and devices to write to, without waiting for a reader that may never come."""

import errno
import os
from pathlib import Path

_AT_ONCE = getattr(os, 'O_NONBLOCK', 0)  # Windows does not wait
_reserved: dict[Path, int] = {}  # descriptors


def reserve(path: Path) -> None:
    """Open a pipe or device before the work whose result :func:`open_special` writes to it.

    It stays open until then: its reader would take a closed pipe for the end.

    Args:
        path: The path. A regular file, and one that does not exist, is left alone.

    Raises:
        OSError: If it cannot be opened, such as a pipe without a reader.
    """
    if path.exists() and not path.is_file() and path not in _reserved:
        _reserved[path] = _open_at_once(path)


def open_special(path: Path) -> int:
    """Open a pipe or device to write to, or return what :func:`reserve` opened.

    Args:
        path: The path.

    Returns:
        A descriptor, which the caller closes.

    Raises:
        OSError: If it cannot be opened, such as a pipe without a reader.
    """
    reserved = _reserved.pop(path, None)
    return _open_at_once(path) if reserved is None else reserved


def _open_at_once(path: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT  # append: a redirected output may have content
    try:
        descriptor = os.open(path, flags | _AT_ONCE, 0o666)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise OSError(errno.ENXIO, 'a pipe without a reader, or a socket', str(path)) from error
    if _AT_ONCE:
        os.set_blocking(descriptor, True)
    return descriptor
