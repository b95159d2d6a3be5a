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
from collections.abc import Sequence
from importlib import import_module

from wrn.cli.arguments import add_arguments
from wrn.training import leave_distributed
from wrn.utils.errors import RunStoppedError, WrnError
from wrn.utils.interrupt import raise_at_interrupt
from wrn.version import __version__

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
_QUICK_TO_EXIT = ('list', 'info', 'predict', 'features')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line.

    Args:
        argv: The arguments. Defaults to those of the process.

    Returns:
        The arguments of a command. ``run`` is the function of the command, which takes them.
    """
    parser = argparse.ArgumentParser(
        'wrn',
        description='Wide Residual Networks for mmpretrain.',
        epilog='WRN_DEBUG=1 in the environment shows the traceback of an error.',
    )
    parser.add_argument('--version', action='version', version=f'wrn {__version__}')
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    for name, command in _COMMANDS.items():
        subparser = commands.add_parser(name, help=command.HELP, description=command.HELP)
        add_arguments(subparser, command.ARGUMENTS)
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
    args = parse_args(argv)
    gc.freeze()  # do not scan imported objects, and do not copy their pages after a fork
    _show_log()
    code = 0
    try:
        raise_at_interrupt()
        args.run(args)
        sys.stdout.flush()
    except RunStoppedError as stopped:
        print(f'wrn: {stopped}', file=sys.stderr)
        code = os.EX_TEMPFAIL
    except WrnError as error:
        if os.environ.get('WRN_DEBUG'):
            raise
        sys.exit(f'wrn: error: {error}')
    except KeyboardInterrupt as stopped:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # another one would end in a traceback
        print(f'wrn: {stopped or "stopped; run the same command again"}', file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # such as `wrn list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    leave_distributed()
    if code:
        sys.exit(code)


def _show_log() -> None:
    """Show the log messages of this package on standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter('wrn: %(message)s'))
    logger = logging.getLogger('wrn')
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)


def run_and_exit() -> None:
    """Run the command line, then exit without tearing down the interpreter where that is safe.

    Tearing down all imported modules takes as long as predicting an image. Commands that train are
    excluded, since writers of logs may rely on it.
    """
    main()
    if sys.argv[1] in _QUICK_TO_EXIT:
        atexit._run_exitfuncs()
        sys.stderr.flush()
        os._exit(0)
