"""Stop a run when the loss or a weight is not finite."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from wrn_base.errors import WrnError


class FiniteLossHook(Hook):
    """Stop at a loss that is not finite, before its weights get into averages and checkpoints.

    Weights are checked before they are saved, since the loss of the last update is not known yet.
    """

    priority = 'VERY_HIGH'

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Check the loss of the iteration."""
        loss = (outputs or {}).get('loss')
        if loss is not None and not torch.isfinite(loss):
            batch = f'in epoch {runner.epoch + 1}, batch {batch_idx + 1}'
            self._stop(runner, f'the loss is {loss.item()} {batch}')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Check the weights."""
        for name, weight in checkpoint['state_dict'].items():
            if not weight.isfinite().all():
                self._stop(runner, f'{name} is no longer finite in epoch {runner.epoch + 1}')

    def _stop(self, runner: Runner, reason: str) -> None:
        raise WrnError(
            f'{runner.cfg.filename}: {reason}; earlier checkpoints, if any, are good: resume '
            'with --resume and clipped gradients (optim_wrapper.clip_grad), or start from the '
            'weights of one (load_from) with a lower learning rate (optim_wrapper.optimizer.lr), '
            'or look for bad values in the data'
        )
