"""The console script ``wrn``: parse the arguments, run a command, and turn errors into one line."""

import argparse
import atexit
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from importlib import import_module
from io import TextIOWrapper
from typing import NoReturn

from wrn_base.errors import WrnError, one_line, write_cure
from wrn_base.import_errors import explain_import_error, report_import_errors
from wrn_base.interrupt import exit_at_interrupt, exit_at_sigterm, raise_at_interrupt
from wrn_base.parser import get_command, parse_args
from wrn_base.run_progress import SILENT
from wrn_base.systems import forget_children
from wrn_base.terminal import printable, say, wrap

_QUICK_TO_EXIT = ('list', 'info', 'predict', 'features')


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line.

    The exit status is 0; 1 after an error, which is one line on standard error; 2 for wrong usage;
    130 after Ctrl-C, also with one line; or 75 (``EX_TEMPFAIL``) after a signal stopped a training
    run, for schedulers to queue it again.

    Args:
        argv: The arguments. Defaults to those of the process.
    """
    for name in ('stdout', 'stderr'):  # None if the shell closed it
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, 'w', encoding='utf-8'))  # noqa: SIM115
        stream = getattr(sys, name)
        if isinstance(stream, TextIOWrapper) and stream.errors == 'strict':
            stream.reconfigure(errors='backslashreplace')  # of what its encoding does not have
    code = 0
    try:
        args = parse_args(argv)
        command = get_command(args.command)
        if not (hasattr(command, 'run') and command.run(args)):
            code = _work(args)
        sys.stdout.flush()
    except WrnError as error:
        if os.environ.get('WRN_DEBUG'):
            raise
        _flush_output()
        _fail(str(error))
    except KeyboardInterrupt as stopped:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # another one would end in a traceback
        say(str(stopped) or 'stopped; run the same command again')
        sys.exit(130)
    except BrokenPipeError:  # such as `wrn list | head`
        _drop_output()
        sys.exit(141)
    except ImportError as error:  # of a package that is imported when it is needed
        if os.environ.get('WRN_DEBUG'):
            raise
        _flush_output()
        _fail('; '.join(explain_import_error(error)))
    except OSError as error:  # such as a full disk behind standard output
        if os.environ.get('WRN_DEBUG'):
            raise
        _drop_output()
        name = error.filename or 'output'
        _fail(f'{name}: {one_line(error)}; {write_cure(error)}')
    if code:
        sys.exit(code)


def _fail(text: str) -> NoReturn:
    """Exit with status 1 and a message."""
    forget_children()
    sys.exit(wrap(f'wrn: error: {printable(text)}', sys.stderr))


def _work(args: argparse.Namespace) -> int:
    """Run a command that needs torch, and return its exit status."""
    args.progress = SILENT
    from wrn_base.display import make_display
    from wrn_base.live_line import is_interactive

    shows_run = 'verbose' in args
    if shows_run or is_interactive():  # from here on, since importing torch takes seconds
        launcher = getattr(args, 'launcher', 'none')
        args.progress = make_display(args.command, launcher, getattr(args, 'verbose', False))
    with closing(args.progress), exit_at_sigterm():
        args.progress.phase('starting')
        with exit_at_interrupt(), report_import_errors():
            wrn_cli = import_module('wrn.cli')
        if not shows_run:
            args.progress.close()
        with raise_at_interrupt():
            return wrn_cli.run(args)


def _flush_output() -> None:
    """Write what is left of the output, or drop it: Python at exit would print a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()


def _drop_output() -> None:
    """Let nothing be written at exit to an output that has failed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run_and_exit() -> None:
    """Run the command line, then exit without tearing down the interpreter where that is safe.

    Tearing down all imported modules takes as long as predicting an image. Commands that train are
    excluded, since writers of logs may rely on it.
    """
    try:
        main()
    except KeyboardInterrupt:  # after the work
        sys.exit(130)
    finally:  # Python at exit would print a traceback, and exit with status 0
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.argv[1] in _QUICK_TO_EXIT:
        atexit._run_exitfuncs()
        sys.stderr.flush()
        os._exit(0)
