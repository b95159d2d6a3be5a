"""SIGTERM and data workers: they start, work and end while all processes of a job get it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wrn_base.systems import SEES_SENDER, hold_sigterm


@contextmanager
def unblock_sigterm() -> Iterator[None]:
    """Unblock SIGTERM after a block that may have failed while data workers were starting."""
    try:
        yield
    finally:
        hold_sigterm(False)


def ignore_sigterm(init_fn: Callable[[int], None] | None, main_pid: int, worker_id: int) -> None:
    """Make a data worker ignore SIGTERM, unless it comes from the main process.

    Schedulers send the signal to all processes of a job, but the main process needs its workers
    until the iteration or the validation is done. It then ends them with the same signal, which the
    worker has blocked since its start. On macOS, which does not say who sent it, any ends them.

    Args:
        init_fn: The worker's own ``worker_init_fn``; None if it has none.
        main_pid: The id of the main process.
        worker_id: The index of the worker.
    """
    if SEES_SENDER:
        threading.Thread(target=_exit_at_sigterm_of, args=(main_pid,), daemon=True).start()
    else:  # the signal was held back so that it would not end a worker that receives its work
        hold_sigterm(False)
    if init_fn is not None:
        init_fn(worker_id)


def _exit_at_sigterm_of(main_pid: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != main_pid:
        pass
    os._exit(0)


def end_workers() -> None:
    """End the data workers.

    Python signals them once at exit, and then waits for them. That signal is lost if another
    SIGTERM is pending for them.
    """
    for worker in multiprocessing.active_children():
        for _ in range(50):
            if not worker.is_alive():
                break
            worker.terminate()
            worker.join(0.1)
        worker.kill()  # in case it does not wait for the signal yet
