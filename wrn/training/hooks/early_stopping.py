"""Early stopping that a resumed run continues."""

import logging
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import EarlyStoppingHook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmpretrain.registry import HOOKS

from wrn.config.config_parts import find_class
from wrn.training.main_metric import label_metric
from wrn_base.errors import WrnError, count, some
from wrn_base.progress_line import format_metric

_logger = logging.getLogger('wrn')


@HOOKS.register_module()
class ResumableEarlyStoppingHook(EarlyStoppingHook):
    """mmengine's hook, with its count, best score and decision saved in checkpoints.

    Args:
        **kwargs: The arguments of :class:`mmengine.hooks.EarlyStoppingHook`.
    """

    priority = 'LOW'  # runs before CheckpointHook, so that the latest validation is included

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Decide whether to stop, and say so.

        Raises:
            WrnError: If the metric is required and missing.
        """
        if self.strict and self.monitor not in metrics:
            raise WrnError(
                f'{self.monitor}: not a metric of the validation, which has {some(metrics)}; set '
                'default_hooks.checkpoint.save_best to one of these'
            )
        stopped = runner.train_loop.stop_training
        super().after_val_epoch(runner, metrics)
        if runner.train_loop.stop_training and not stopped and is_main_process():
            by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
            done, last = (
                (runner.epoch, runner.max_epochs) if by_epoch else (runner.iter, runner.max_iters)
            )
            images = len(runner.val_dataloader.dataset)
            waits = self.wait_count >= self.patience
            value = float(self.best_score if waits else metrics[self.monitor])
            shown = format_metric(self.monitor, value, images)
            waited = f'no better than {shown} for {count(self.wait_count, "validation")}'
            _logger.info(
                'stopping after %s %d of %d: %s is %s',
                'epoch' if by_epoch else 'iteration',
                done,
                last,
                label_metric(self.monitor),
                waited if waits else shown,
            )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Save the state."""
        state = dict(wait_count=self.wait_count, best_score=float(self.best_score))
        meta = checkpoint['meta']
        meta['patience'] = self.patience
        meta.update(early_stopping=state, stopped=runner.train_loop.stop_training)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Restore the state if the run is resumed. With another patience, decide again."""
        if not runner._resume:
            return
        meta = checkpoint['meta']
        self.__dict__.update(meta.get('early_stopping', {}))
        stopped, before = meta.get('stopped', False), meta.get('patience', self.patience)
        if before != self.patience:
            stopped = self.wait_count >= self.patience
            runner.logger.warning(
                f'early stopping: resumed with a patience of {self.patience} validations, not '
                f'{before}'
            )
        runner.train_loop.stop_training = stopped


def use_resumable_early_stopping(cfg: Config) -> None:
    """Replace mmengine's early stopping hook in a config by this one.

    Args:
        cfg: The config, which is changed.
    """
    for hook in cfg.get('custom_hooks') or ():
        if find_class(HOOKS, hook['type']) is EarlyStoppingHook:
            hook['type'] = 'ResumableEarlyStoppingHook'
