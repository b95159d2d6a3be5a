"""Folders for files that are not complete yet."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

_SCRATCH, _LOCK = '.wrn-', '.lock'  # the beginning of the names of scratch folders, and a file


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Make a folder for files that are moved out of it when they are complete.

    A process locks its folder, so the next one can remove what a killed process has left.

    Args:
        parent: Where to make it. It must exist.

    Yields:
        The folder, which is removed at the end with all that is in it.
    """
    remove_scratch(parent)
    folder, locked = _make_scratch(parent)
    try:
        with locked:
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_scratch(parent: Path) -> tuple[Path, contextlib.AbstractContextManager[object]]:
    """Return a new folder, and its lock, which is held until the end of a block."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=parent))
        try:
            # Makes the folder again if another process has removed it.
            return folder, FileLock(folder / _LOCK).acquire()
        except (FileNotFoundError, FileExistsError):  # another process is removing it
            continue


def remove_scratch(parent: Path) -> None:
    """Remove the scratch folders that killed processes have left.

    Args:
        parent: The folder that they are in. It need not exist.
    """
    for stale in parent.glob(f'{_SCRATCH}*'):
        with contextlib.suppress(OSError, Timeout):
            with FileLock(stale / _LOCK, timeout=0):
                shutil.rmtree(stale, ignore_errors=True)
            stale.rmdir()  # on Windows the lock, which is open, was still in it


def remove_lock(lock: BaseFileLock) -> None:
    """Remove the file of a lock that is held; on Windows, releasing the lock does that.

    Args:
        lock: The lock.
    """
    with contextlib.suppress(PermissionError):
        Path(lock.lock_file).unlink(missing_ok=True)
