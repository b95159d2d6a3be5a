"""The command line ``wrn``.

In: arguments. Out: tables, files and an exit status. Open ``predict`` first. Each command is a
module with ``HELP``, ``ARGUMENTS`` and ``run``, and a line in ``_COMMANDS``. The other modules hold
what several commands share: ``arguments`` and ``*_options`` declare and check options, ``inputs``
and ``image_job`` process many images, and ``tables`` and ``progress`` print.
"""

import argparse
import atexit
import gc
import logging
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn, cast

from wrn.cli.arguments import add_arguments, flag
from wrn.cli.inputs import find_shard
from wrn.download.trust import INSECURE
from wrn.training import leave_distributed
from wrn.utils.csv_text import SAFE
from wrn_base.errors import AssumptionWarning, RunStoppedError, WrnError, one_line
from wrn_base.interrupt import raise_at_interrupt
from wrn_base.terminal import printable, say
from wrn_base.version import __version__

_COMMANDS = {
    name: import_module(f'wrn.cli.{name.replace("-", "_")}')
    for name in (
        'list',
        'info',
        'predict',
        'features',
        'prepare-imagenet',
        'check-data',
        'train',
        'finetune',
        'overfit',
        'plot',
        'test',
        'convert',
        'publish',
        'export',
    )
}
_DOWNLOADS_WEIGHTS = (
    'info', 'predict', 'features', 'train', 'finetune', 'overfit', 'test', 'convert', 'export'
)  # fmt: skip
_INSECURE = {'--insecure': flag('download weights by plain HTTP, and from any host')}
_QUICK_TO_EXIT = ('list', 'info', 'predict', 'features')


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, whatever the arguments are."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is sys.stdout:  # argparse ignores that an output is full or closed
            sys.stdout.write(message)
            sys.stdout.flush()
        else:
            super()._print_message(message, file)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line.

    Args:
        argv: The arguments. Defaults to those of the process.

    Returns:
        The arguments of a command. ``run`` is the function of the command, which takes them.
    """
    parser = _Parser(
        'wrn',
        description='Wide Residual Networks for mmpretrain.',
        epilog='WRN_DEBUG=1 in the environment shows the traceback of an error.',
    )
    parser.add_argument('--version', action='version', version=f'wrn {__version__}')
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    for name, command in _COMMANDS.items():
        subparser = commands.add_parser(name, help=command.HELP, description=command.HELP)
        add_arguments(subparser, command.ARGUMENTS)
        if name in _DOWNLOADS_WEIGHTS:
            add_arguments(subparser, _INSECURE)
        subparser.set_defaults(run=command.run)
    return parser.parse_args(argv)


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
            setattr(sys, name, open(os.devnull, 'w'))  # noqa: SIM115
    code = 0
    try:
        args = parse_args(argv)
        gc.freeze()  # do not scan imported objects, and do not copy their pages after a fork
        _show_messages()
        if getattr(args, 'insecure', False):
            os.environ[INSECURE] = '1'  # data workers and other ranks inherit it
        if getattr(args, 'csv_safe', False):
            os.environ[SAFE] = '1'
        raise_at_interrupt()
        args.run(args)
        sys.stdout.flush()
    except RunStoppedError as stopped:
        say(str(stopped))
        code = os.EX_TEMPFAIL
    except WrnError as error:
        if os.environ.get('WRN_DEBUG'):
            raise
        _flush_output()
        sys.exit(f'wrn: error: {printable(str(error))}')
    except KeyboardInterrupt as stopped:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # another one would end in a traceback
        say(str(stopped) or 'stopped; run the same command again')
        sys.exit(130)
    except BrokenPipeError:  # such as `wrn list | head`
        _drop_output()
        sys.exit(141)
    except OSError as error:  # such as a full disk behind standard output
        if os.environ.get('WRN_DEBUG'):
            raise
        _drop_output()
        name = error.filename or 'output'
        sys.exit(f'wrn: error: {printable(f"{name}: {one_line(error)}")}; free space, or check it')
    leave_distributed()
    if code:
        sys.exit(code)


def _flush_output() -> None:
    """Write what is left of the output, or drop it: Python at exit would print a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()


def _drop_output() -> None:
    """Let nothing be written at exit to an output that has failed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f'wrn: {printable(record.getMessage())}'


def _raise_write_error(handler: logging.Handler, record: logging.LogRecord) -> None:
    """Raise what prevents a line of a log from being written; logging would print a traceback."""
    error = sys.exc_info()[1]
    if not isinstance(error, OSError):
        return _handle_error(handler, record)
    error.filename = getattr(handler, 'baseFilename', 'standard output')
    raise error


_handle_error = logging.Handler.handleError


def _show_messages() -> None:
    """Show the log and the warnings of this package on standard error."""
    cast(Any, logging.Handler).handleError = _raise_write_error
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter())
    logger = logging.getLogger('wrn')
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    warnings.filterwarnings('default', category=AssumptionWarning)  # despite python -W ignore
    # Configs have data workers for larger machines. They work with fewer cores, too.
    warnings.filterwarnings('ignore', 'This DataLoader will create')
    others: Any = warnings.showwarning

    def show_warning(message: Warning | str, category: type[Warning], *args: Any) -> None:
        if not issubclass(category, AssumptionWarning):
            others(message, category, *args)
        elif find_shard().index == 0:
            say(str(message))

    warnings.showwarning = cast(Any, show_warning)


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
