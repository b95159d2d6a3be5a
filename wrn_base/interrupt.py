"""Answer signals with one line where nothing else handles them, and Ctrl-C wherever it comes."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from wrn_base.systems import signal_main_thread
from wrn_base.terminal import stop_live

_FORKS = 'multiprocessing.popen_fork'  # the module that forks a data worker in `_launch`
_LATER = 0.05  # seconds
_pid = 0  # of the process that handles signals; data workers may be forks of it


@contextmanager
def exit_at_interrupt() -> Iterator[None]:
    """Exit with one line at Ctrl-C during a block, unless the caller handles the signal."""
    with _handling(signal.SIGINT, signal.default_int_handler, _exit_at_interrupt):
        yield


@contextmanager
def raise_at_interrupt() -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` at Ctrl-C during a block, and later where it would be lost.

    Python prints an exception in a finalizer, in the callback of a weak reference, or in a hook of
    ``os.fork``, and continues. In such a hook it also leaves the lock of :mod:`logging` held, so
    that threads that log wait forever. Data loaders fork their workers, and stop them in a
    finalizer.
    """
    with (
        _handling(signal.SIGINT, signal.default_int_handler, _raise_or_wait),
        _repeating_the_lost(),
    ):
        yield


@contextmanager
def exit_at_sigterm() -> Iterator[None]:
    """Exit with one line at SIGTERM during a block, unless the caller handles the signal."""
    with _handling(signal.SIGTERM, signal.SIG_DFL, end_at_sigterm):
        yield


def end_at_sigterm(number: int, *_: Any) -> None:
    """End the process with one line; a data worker, which is a fork of it, without one."""
    if os.getpid() == _pid:
        _end(number, b'wrn: stopped by SIGTERM; run the same command again\n')
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


@contextmanager
def _handling(number: signal.Signals, default: Any, handler: Any) -> Iterator[None]:
    global _pid
    _pid = os.getpid()
    in_main = threading.current_thread() is threading.main_thread()  # no other one may set it
    if not in_main or signal.getsignal(number) is not default:
        yield
        return
    signal.signal(number, handler)
    try:
        yield
    finally:
        if signal.getsignal(number) is handler:  # else a run that was stopped ignores the signal
            signal.signal(number, default)


@contextmanager
def _repeating_the_lost() -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` again where Python would print it."""
    previous = sys.unraisablehook

    def repeat(lost: Any) -> None:
        if lost.exc_type is KeyboardInterrupt and os.getpid() == _pid:
            _signal_later(signal.SIGINT)
        else:
            previous(lost)

    sys.unraisablehook = repeat
    try:
        yield
    finally:
        sys.unraisablehook = previous


def _signal_later(number: int) -> None:
    threading.Timer(_LATER, signal_main_thread, (number,)).start()


def _exit_at_interrupt(number: int, *_: Any) -> None:
    _end(number, b'wrn: stopped while starting; run the same command again\n')


def _raise_or_wait(number: int, frame: FrameType | None) -> None:
    inner = frame
    while inner and os.getpid() == _pid:  # a data worker is below the call that started it for good
        if _loses_exceptions(inner):
            _signal_later(number)
            return
        inner = inner.f_back
    raise KeyboardInterrupt


def _loses_exceptions(frame: FrameType) -> bool:
    """Return whether a frame is of a finalizer or a fork, which are not to be broken off."""
    name = frame.f_code.co_name
    return name == '__del__' or (name == '_launch' and frame.f_globals.get('__name__') == _FORKS)


def _end(number: int, message: bytes) -> None:
    stop_live()
    os.write(2, message)
    os._exit(128 + number)
