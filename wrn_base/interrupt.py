"""Answer Ctrl-C with one line while the command is starting, which takes seconds of imports."""

import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn


def exit_at_interrupt() -> None:
    """Exit with one line at Ctrl-C, if this process is the command ``wrn``.

    A program that imports the package is left alone.
    """
    as_module = sys.argv[0] == '-m' and ('-m', 'wrn') in zip(
        sys.orig_argv, sys.orig_argv[1:], strict=False
    )
    is_command = as_module or Path(sys.argv[0]).stem == 'wrn'
    if is_command and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _exit)


def raise_at_interrupt() -> None:
    """Raise ``KeyboardInterrupt`` at Ctrl-C again: the command has started."""
    if signal.getsignal(signal.SIGINT) is _exit:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _exit(*_: Any) -> NoReturn:
    os.write(2, b'wrn: stopped while starting; run the same command again\n')
    os._exit(130)
