"""Keep two runs from writing to one folder at the same time."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from wrn.training.launch import ask_first
from wrn.training.resume import is_restarted
from wrn_base.errors import WrnError, one_line

_LOCK = '.lock'  # in the folder of a run; it stays there
_GRACE = 10  # seconds; data workers of a killed process may hold its lock for five
_logger = logging.getLogger('wrn')


@contextlib.contextmanager
def lock_folder(folder: str | Path) -> Iterator[None]:
    """Lock the folder of a run during a block.

    The lock is the main process's, and ends with it, however it ends. If the file system has no
    locks, that is logged, and the run is not protected. All processes of a distributed job must
    call this.

    Args:
        folder: The folder. It is made if it does not exist.

    Raises:
        WrnError: If another run has locked the folder.
    """
    lock = FileLock(Path(folder, _LOCK))
    timeout = _GRACE if is_restarted() else 0

    def acquire() -> None:
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=timeout)
        except Timeout:
            raise WrnError(
                f'{folder}: another run is writing to it; wait until it ends, or use another '
                '--work-dir'
            ) from None
        except (OSError, NotImplementedError) as error:
            _logger.warning(
                '%s: cannot be locked (%s); start no other run in it meanwhile',
                folder,
                one_line(error),
            )

    ask_first(acquire)
    try:
        yield
    finally:
        lock.release()
