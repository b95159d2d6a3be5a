"""The work of the commands of ``wrn``.

In: the arguments that :mod:`wrn_base.cli` has parsed. Out: tables, files and an exit status. Open
``predict`` first. Each command is a module with ``run``. The module of the same name in
``wrn_base.commands`` declares its arguments. The other modules hold what several commands share:
``arguments`` and ``*_options`` check options, ``inputs`` and ``image_job`` process many images, and
``tables`` and ``progress`` print.
"""

import argparse
import gc
import logging
import os
import sys
import warnings
from importlib import import_module
from typing import Any, cast

from mmengine.logging import MMLogger

from wrn import training
from wrn.cli.inputs import find_shard
from wrn.download.trust import INSECURE
from wrn.utils.csv_text import SAFE
from wrn_base.errors import AssumptionWarning, RandomWeightsWarning, RunStoppedError
from wrn_base.systems import EX_TEMPFAIL
from wrn_base.terminal import say


def run(args: argparse.Namespace) -> int:
    """Run a command.

    Args:
        args: Its arguments, with its name as ``command``.

    Returns:
        The exit status: 0, or 75 (``EX_TEMPFAIL``) after a signal stopped a training run.

    Raises:
        WrnError: If the command fails.
    """
    gc.freeze()  # do not scan imported objects, and do not copy their pages after a fork
    has_log = not getattr(args, 'verbose', True)
    _show_messages(has_log)
    if has_log:
        training.keep_off_screen(MMLogger.get_current_instance())  # that of no run yet
    if getattr(args, 'insecure', False):
        os.environ[INSECURE] = '1'  # data workers and other ranks inherit it
    if getattr(args, 'csv_safe', False):
        os.environ[SAFE] = '1'
    code = 0
    try:
        import_module(f'wrn.cli.{args.command.replace("-", "_")}').run(args)
        sys.stdout.flush()
    except RunStoppedError as stopped:
        say(str(stopped))
        code = EX_TEMPFAIL
    training.leave_distributed()
    return code


class _Screen(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # Of a job, one process is enough to say what all of them do.
        if record.levelno > logging.INFO or find_shard().index == 0:
            say(record.getMessage())


def _raise_write_error(handler: logging.Handler, record: logging.LogRecord) -> None:
    """Raise what prevents a line of a log from being written; logging would print a traceback."""
    error = sys.exc_info()[1]
    if not isinstance(error, OSError):
        return _handle_error(handler, record)
    error.filename = getattr(handler, 'baseFilename', 'standard output')
    raise error


_handle_error = logging.Handler.handleError


def _show_messages(has_log: bool = False) -> None:
    """Show the log and the warnings of this package on standard error.

    Warnings of others go to the log of the run, if the command has one that is not on the screen.
    """
    cast(Any, logging.Handler).handleError = _raise_write_error
    logger = logging.getLogger('wrn')
    logger.handlers = [_Screen()]
    logger.setLevel(logging.INFO)
    ours = (AssumptionWarning, RandomWeightsWarning)
    for category in ours:
        warnings.filterwarnings('default', category=category)  # despite python -W ignore
    # Configs have data workers for larger machines. They work with fewer cores, too.
    warnings.filterwarnings('ignore', 'This DataLoader will create')
    others: Any = warnings.showwarning

    def show_warning(message: Warning | str, category: type[Warning], *args: Any) -> None:
        if issubclass(category, ours):
            if find_shard().index == 0:
                say(str(message))
        elif not (has_log and training.log_warning(message, category, *args)):
            others(message, category, *args)

    warnings.showwarning = cast(Any, show_warning)
