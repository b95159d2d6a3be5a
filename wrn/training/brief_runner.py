"""A runner whose log stands in its file, or also on the screen without long messages.

It computes on the device of its config, and scales learning rates by the batch size as timm does.
"""

import itertools
import logging
import math
import multiprocessing
import warnings
from typing import Any

from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper, revert_sync_batchnorm
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from wrn.training.run_device import current_device, get_run_device
from wrn.training.screen_log import keep_off_screen, write_any_text
from wrn.utils.silence import silence
from wrn_base.credentials import mask_record
from wrn_base.errors import count
from wrn_base.terminal import printable

_HIDDEN = (
    'paramwise_options',  # one line per weight
    'Exp name: ',  # every epoch
    '"FileClient" will be deprecated',  # due to mmengine's own code
    '"HardDiskBackend" is the alias',
)
_RUNS = itertools.count(2)
_logger = logging.getLogger('wrn')


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
        logger.addFilter(mask_record)
        if not self.verbose:
            keep_off_screen(logger)
            return logger
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_is_shown)
        write_any_text(logger)
        logger.info(f'environment, config and hooks are in {logger.log_file}')
        return logger

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        """Set up the start of processes; the argument is that of mmengine's runner.

        mmengine forks data workers unless this is Windows. Where Python spawns processes, as on
        macOS, system libraries do not survive a fork.
        """
        mp_cfg = dict(env_cfg.get('mp_cfg') or {})
        default = multiprocessing.get_all_start_methods()[0]
        if default == 'spawn' and mp_cfg.get('mp_start_method', 'fork') == 'fork':
            mp_cfg['mp_start_method'] = default
        super().setup_env({**env_cfg, 'mp_cfg': mp_cfg})

    def load_checkpoint(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load a checkpoint; the arguments are those of mmengine's runner."""
        # mmengine prints the name unescaped, and the keys that CheckpointCheckHook reports.
        with silence():
            return super().load_checkpoint(*args, **kwargs)

    @staticmethod
    def build_dataloader(*args: Any, **kwargs: Any) -> DataLoader[Any]:
        """Build a data loader; the arguments are those of mmengine's runner."""
        with warnings.catch_warnings():  # configs for larger machines work with fewer cores, too
            warnings.filterwarnings('ignore', 'This DataLoader will create')
            return Runner.build_dataloader(*args, **kwargs)

    def wrap_model(self, model_wrapper_cfg: Any, model: nn.Module) -> nn.Module:
        """Move the model to the device; the arguments are those of mmengine's runner.

        mmengine would take the accelerator of the machine.
        """
        if self.distributed or is_model_wrapper(model):  # each process takes its own device
            return super().wrap_model(model_wrapper_cfg, model)
        return revert_sync_batchnorm(model.to(get_run_device(self.cfg)))

    def resume(self, filename: str, *args: Any, **kwargs: Any) -> None:
        """Resume from a checkpoint; the arguments are those of mmengine's runner."""
        if not self.distributed and len(args) < 3:
            kwargs.setdefault('map_location', get_run_device(self.cfg))
        super().resume(filename, *args, **kwargs)

    def train(self) -> nn.Module:
        """Train on the device of the config."""
        with current_device(get_run_device(self.cfg)):
            return super().train()

    def test(self) -> dict[str, float]:
        """Test on the device of the config."""
        with current_device(get_run_device(self.cfg)):
            return super().test()

    def scale_lr(self, optim_wrapper: OptimWrapper, auto_scale_lr: Any = None) -> None:
        """Scale the learning rates by the batch size; the arguments are those of mmengine's runner.

        The rates of SGD and its like are proportional to the images per update (`Goyal et al., 2017
        <https://arxiv.org/abs/1706.02677>`_). Those of adaptive optimizers are proportional to
        their square root (`Malladi et al., 2022 <https://arxiv.org/abs/2205.10287>`_). As in timm's
        ``train.py``, an optimizer is adaptive if its name has ``ada`` or ``lamb`` in it.

        mmengine scales all in proportion, and with ``paramwise_cfg`` leaves out the base rate,
        which is the one in the log.
        """
        if not (auto_scale_lr or {}).get('enable'):
            return
        loader: Any = self._train_dataloader
        size = loader['batch_size'] if isinstance(loader, dict) else loader.batch_size
        # An epoch of fewer images than a batch is one update of all of them.
        size = min(self.world_size * size, len(self.train_dataloader.dataset))
        base = auto_scale_lr['base_batch_size']
        is_dict = isinstance(optim_wrapper, OptimWrapperDict)
        for wrapper in optim_wrapper.values() if is_dict else [optim_wrapper]:
            kind = type(wrapper.optimizer).__name__.lower()
            adaptive = 'ada' in kind or 'lamb' in kind
            ratio = math.sqrt(size / base) if adaptive else size / base
            settings = getattr(wrapper, 'base_param_settings', None)
            before = (settings or wrapper.optimizer.defaults)['lr']
            for group in (*wrapper.optimizer.param_groups, *([settings] if settings else [])):
                group['lr'] *= ratio
            if size != base:
                counts = self.cfg.optim_wrapper.get('accumulative_counts', 1)
                images = count(size * counts, 'image')
                rule = ', by the square root' if adaptive else ''
                text = (
                    f'learning rate {before:g} to {before * ratio:.3g}{rule}, for {images} '
                    f'per update instead of {base * counts:g}; --lr sets it'
                )
                for log in (self.logger, _logger):  # the file, and the screen
                    log.info(text)


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
