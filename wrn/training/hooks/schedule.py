"""Keep the learning rate schedule in epochs when the number of iterations per epoch changes."""

import warnings
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner


class ScheduleHook(Hook):
    """Recompute the schedules of a run that is resumed with another number of iterations per epoch.

    The number changes with the number of processes, for example. mmengine would restore the
    schedulers from the checkpoint, and those by iteration would keep their old length. Here the
    learning rate is what it would be if the whole run had used the current processes and batches.

    Schedules that depend on validation results cannot be recomputed. If the config has one, all
    schedulers are restored from the checkpoint.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Save the number of iterations per epoch."""
        checkpoint['meta']['iterations_of_epoch'] = len(runner.train_dataloader)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Step the schedulers to the current position, and set the rates of the optimizer."""
        if not runner._resume or 'optimizer' not in checkpoint:
            return
        meta, length = checkpoint['meta'], len(runner.train_dataloader)
        if meta.get('iterations_of_epoch') == length:
            return
        schedulers = runner.param_schedulers or []
        if any(getattr(scheduler, 'need_val_args', False) for scheduler in schedulers):
            return
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # torch warns of steps without updates in between
            for done in range(1, meta['iter'] + 1):
                ends_epoch = done % length == 0 and done // length <= meta['epoch']
                for by_epoch in (False, True) if ends_epoch else (False,):
                    for scheduler in schedulers:
                        if scheduler.by_epoch == by_epoch:
                            scheduler.step()
        checkpoint['param_schedulers'] = [scheduler.state_dict() for scheduler in schedulers]
        saved, recomputed = checkpoint['optimizer'], runner.optim_wrapper.state_dict()
        for old, new in zip(saved['param_groups'], recomputed['param_groups'], strict=False):
            old.update(new, params=old['params'])  # indices; with a sharding strategy, names
        if 'base_param_settings' in recomputed:
            saved['base_param_settings'] = recomputed['base_param_settings']
