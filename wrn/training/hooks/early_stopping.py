"""Early stopping that a resumed run continues."""

from typing import Any

from mmengine.config import Config
from mmengine.hooks import EarlyStoppingHook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from wrn.config.config_parts import find_class


@HOOKS.register_module()
class ResumableEarlyStoppingHook(EarlyStoppingHook):
    """mmengine's hook, with its count, best score and decision saved in checkpoints.

    Args:
        **kwargs: The arguments of :class:`mmengine.hooks.EarlyStoppingHook`.
    """

    priority = 'LOW'  # runs before CheckpointHook, so that the latest validation is included

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Save the state."""
        state = dict(wait_count=self.wait_count, best_score=float(self.best_score))
        meta = checkpoint['meta']
        meta.update(early_stopping=state, stopped=runner.train_loop.stop_training)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Restore the state if the run is resumed."""
        if runner._resume:
            self.__dict__.update(checkpoint['meta'].get('early_stopping', {}))
            runner.train_loop.stop_training = checkpoint['meta'].get('stopped', False)


def use_resumable_early_stopping(cfg: Config) -> None:
    """Replace mmengine's early stopping hook in a config by this one.

    Args:
        cfg: The config, which is changed.
    """
    for hook in cfg.get('custom_hooks') or ():
        if find_class(HOOKS, hook['type']) is EarlyStoppingHook:
            hook['type'] = 'ResumableEarlyStoppingHook'
