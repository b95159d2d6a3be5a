"""Let the learning rate follow the config's epochs, however many iterations they come to have."""

import warnings
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner


class ScheduleHook(Hook):
    """Count a schedule anew when a run goes on with another number of iterations per epoch.

    As with another number of processes. mmengine would go on with the schedules of the checkpoint:
    those by iteration would keep the length, in iterations, that they had. Here the learning rate
    is what it would be if the whole run had the processes and batches at hand.

    Schedules that depend on validations cannot be counted so; a config with one keeps what the
    checkpoint has.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Note how many iterations an epoch has."""
        checkpoint['meta']['iterations_of_epoch'] = len(runner.train_dataloader)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Bring the optimizer and the schedules to where the run stands."""
        if not runner._resume or 'optimizer' not in checkpoint:
            return
        meta, length = checkpoint['meta'], len(runner.train_dataloader)
        if meta.get('iterations_of_epoch') == length:
            return
        schedulers = runner.param_schedulers or []
        if any(getattr(scheduler, 'need_val_args', False) for scheduler in schedulers):
            return
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of steps without updates between them
            for done in range(1, meta['iter'] + 1):
                ends_epoch = done % length == 0 and done // length <= meta['epoch']
                for by_epoch in (False, True) if ends_epoch else (False,):
                    for scheduler in schedulers:
                        if scheduler.by_epoch == by_epoch:
                            scheduler.step()
        checkpoint['param_schedulers'] = [scheduler.state_dict() for scheduler in schedulers]
        saved, counted = checkpoint['optimizer'], runner.optim_wrapper.state_dict()
        for old, new in zip(saved['param_groups'], counted['param_groups'], strict=False):
            old.update(new, params=old['params'])  # numbers, or of a run in parts names
        if 'base_param_settings' in counted:
            saved['base_param_settings'] = counted['base_param_settings']
