"""What is missing on Windows and macOS: forks, masks of signals, their names. docs/systems.md."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from types import FrameType

#: The exit status of a run that asks to be queued again; Windows has no ``os.EX_TEMPFAIL``.
EX_TEMPFAIL = 75
#: What a user should know before a run. Empty on POSIX, where SIGTERM asks a process to end.
UNSAVED = (
    'Windows ends a run without letting it save a checkpoint; --resume then continues from the '
    'last one'
    if os.name == 'nt'
    else ''
)
#: Whether a process can see who sent it a signal.
SEES_SENDER = hasattr(signal, 'sigwaitinfo')
#: The compilers that torch compiles networks with on the CPU, any one of them.
COMPILERS = ('cl',) if os.name == 'nt' else ('g++', 'clang++')
#: What to install for one of them.
COMPILER_PACKAGE = "Visual Studio's C++ build tools" if os.name == 'nt' else 'g++'


def hold_sigterm(held: bool) -> None:
    """Hold SIGTERM back from this thread, and from processes that it starts, or stop doing so.

    Args:
        held: Whether to hold it back. On Windows nothing changes: signals cannot be held back.
    """
    if hasattr(signal, 'pthread_sigmask'):
        how = signal.SIG_BLOCK if held else signal.SIG_UNBLOCK
        signal.pthread_sigmask(how, {signal.SIGTERM})


def signal_main_thread(number: int) -> None:
    """Raise a signal in the main thread, whichever thread calls this.

    Args:
        number: The signal.
    """
    main = threading.main_thread().ident
    if hasattr(signal, 'pthread_kill') and main is not None:
        signal.pthread_kill(main, number)
    else:  # Python's handlers always run in the main thread; there this wakes it, too
        signal.raise_signal(number)


def forget_children() -> None:
    """Leave the end of child processes unanswered, at the end of this process.

    torch's handler raises an error for each data worker that has died, even in an exit function.
    """
    in_main = threading.current_thread() is threading.main_thread()  # no other one may set it
    if hasattr(signal, 'SIGCHLD') and in_main:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def call_at_fork(
    before: Callable[[], object], in_parent: Callable[[], object], in_child: Callable[[], object]
) -> None:
    """Call functions around each fork of this process, where there are any.

    Args:
        before: Is called before a fork.
        in_parent: Is called after a fork in this process.
        in_child: Is called after a fork in the new process.
    """
    if hasattr(os, 'register_at_fork'):
        os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)


def find_imported_script() -> str | None:
    """Return the script that a process that was spawned is importing; None if it imports none.

    Python does so before the process gets its work. A call in that script that is not below
    ``if __name__ == '__main__':`` then runs again.
    """
    frame: FrameType | None = sys._getframe()
    while frame:
        if frame.f_code.co_name == '<module>' and frame.f_globals.get('__name__') == '__mp_main__':
            return frame.f_code.co_filename
        frame = frame.f_back
    return None


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill a process, and on POSIX all that it has started.

    Args:
        process: A process that was started in a session of its own.
    """
    if hasattr(os, 'killpg'):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
