"""The command ``wrn``: one module for each of its commands."""

import argparse
import atexit
import gc
import os
import sys
from collections.abc import Sequence

from wrn.cli import (
    check_data,
    convert,
    export,
    features,
    finetune,
    info,
    overfit,
    plot,
    predict,
    prepare_imagenet,
    publish,
    test,
    train,
)
from wrn.cli import list as list_command
from wrn.training import leave_distributed
from wrn.utils.errors import RunStoppedError, WrnError
from wrn.version import __version__

_COMMANDS = {
    'list': list_command,
    'info': info,
    'predict': predict,
    'features': features,
    'prepare-imagenet': prepare_imagenet,
    'check-data': check_data,
    'train': train,
    'finetune': finetune,
    'overfit': overfit,
    'plot': plot,
    'test': test,
    'convert': convert,
    'publish': publish,
    'export': export,
}
_QUICK_TO_EXIT = ('list', 'info', 'predict', 'features')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line.

    Args:
        argv: The arguments. Defaults to None, those of the process.

    Returns:
        The arguments of a command, and as ``run`` the function that takes them.
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
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; exits with 0, or with 1 after one line that says what is wrong.

    A run that was told to stop exits with 75 (``EX_TEMPFAIL``), for schedulers to queue it again.

    Args:
        argv: The arguments. Defaults to None, those of the process.
    """
    args = parse_args(argv)
    gc.freeze()  # what is imported stays, so nobody need look through it again, nor copy its pages
    code = 0
    try:
        args.run(args)
        sys.stdout.flush()
    except RunStoppedError as stopped:
        print(f'wrn: {stopped}', file=sys.stderr)
        code = os.EX_TEMPFAIL
    except WrnError as error:
        if os.environ.get('WRN_DEBUG'):
            raise
        sys.exit(f'wrn: error: {error}')
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read the output has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    leave_distributed()
    if code:
        sys.exit(code)


def run_and_exit() -> None:
    """Run the command line as all that a process does.

    Python would take apart each module that was imported, which takes as long as a picture does.
    Those who train may have writers of logs that wait for that.
    """
    main()
    if sys.argv[1] in _QUICK_TO_EXIT:
        atexit._run_exitfuncs()
        sys.stderr.flush()
        os._exit(0)
