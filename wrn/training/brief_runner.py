"""A runner whose log stands in its file, or also on the screen without long messages."""

import contextlib
import io
import itertools
import logging
from typing import Any

from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner

from wrn.training.screen_log import keep_off_screen
from wrn_base.terminal import printable

_HIDDEN = (
    'paramwise_options',  # one line per weight
    'Exp name: ',  # every epoch
    '"FileClient" will be deprecated',  # due to mmengine's own code
    '"HardDiskBackend" is the alias',
)
_RUNS = itertools.count(2)


class BriefRunner(Runner):
    """mmengine's runner, whose log is in its file only, apart from what users need to know.

    The log has the base learning rate after scaling by the batch size.

    Attributes:
        verbose: Whether the log is on the screen too, without environment, config and hooks.
    """

    verbose = False

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build the logger; the arguments are those of mmengine's runner."""
        # mmengine names a run after the second of its start. Runs of one name share their logs.
        if MMLogger.check_instance_created(self._experiment_name):
            self._experiment_name += f'_{next(_RUNS)}'
        logger = super().build_logger(*args, **kwargs)
        if not self.verbose:
            keep_off_screen(logger)
            return logger
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_is_shown)
        logger.info(f'environment, config and hooks are in {logger.log_file}')
        return logger

    def load_checkpoint(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load a checkpoint; the arguments are those of mmengine's runner."""
        # mmengine prints the name unescaped, and the keys that CheckpointCheckHook reports.
        with contextlib.redirect_stdout(io.StringIO()):
            return super().load_checkpoint(*args, **kwargs)

    def scale_lr(self, optim_wrapper: OptimWrapper, auto_scale_lr: Any = None) -> None:
        """Scale the learning rates by the batch size; the arguments are those of mmengine's runner.

        With ``paramwise_cfg``, mmengine leaves out the base rate, which is the one in the log.
        """
        base = getattr(optim_wrapper, 'base_param_settings', None)
        groups = [] if base is None else optim_wrapper.optimizer.param_groups
        groups.append(base)
        super().scale_lr(optim_wrapper, auto_scale_lr)
        groups.pop()


class VerboseRunner(BriefRunner):
    """The same runner with its log on the screen."""

    verbose = True


def _is_shown(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    # Messages of several lines are listings if the runner logs them, and results if hooks do.
    by_runner = record.module.endswith('runner') and record.levelno <= logging.INFO
    if (by_runner and '\n' in message) or message.startswith(_HIDDEN):
        return False
    # The last handler to format a record: results of several lines stay so.
    record.msg, record.args = '\n'.join(map(printable, message.split('\n'))), ()
    return True
