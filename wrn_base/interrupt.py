"""Answer Ctrl-C with one line while torch is imported, which takes seconds."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from wrn_base.terminal import stop_live


@contextmanager
def exit_at_interrupt() -> Iterator[None]:
    """Exit with one line at Ctrl-C during a block, unless the caller handles the signal."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _exit(*_: Any) -> NoReturn:
    stop_live()
    os.write(2, b'wrn: stopped while starting; run the same command again\n')
    os._exit(130)
