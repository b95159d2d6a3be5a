"""Let early stopping count on in a run that is resumed."""

from typing import Any

from mmengine.config import Config
from mmengine.hooks import EarlyStoppingHook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from wrn.config.config_parts import find_class


@HOOKS.register_module()
class ResumableEarlyStoppingHook(EarlyStoppingHook):
    """mmengine's hook, but that checkpoints have its count, the best score and whether it stopped.

    Args:
        **kwargs: The arguments of :class:`mmengine.hooks.EarlyStoppingHook`.
    """

    priority = 'LOW'  # before a checkpoint is saved that has the validation

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Note them."""
        state = dict(wait_count=self.wait_count, best_score=float(self.best_score))
        meta = checkpoint['meta']
        meta.update(early_stopping=state, stopped=runner.train_loop.stop_training)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Take them again, if the run goes on."""
        if runner._resume:
            self.__dict__.update(checkpoint['meta'].get('early_stopping', {}))
            runner.train_loop.stop_training = checkpoint['meta'].get('stopped', False)


def use_resumable_early_stopping(cfg: Config) -> None:
    """Let a config that has mmengine's hook use this one.

    Args:
        cfg: The config, which is changed.
    """
    for hook in cfg.get('custom_hooks') or ():
        if find_class(HOOKS, hook['type']) is EarlyStoppingHook:
            hook['type'] = 'ResumableEarlyStoppingHook'
