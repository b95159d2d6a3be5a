"""Recompute the learning rates of a resumed run with other settings than its checkpoint."""

import warnings
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from wrn.training.resumed_settings import FROZEN, find_changes, refuse_change
from wrn_base.errors import WrnError, count, some

_FIXED = (FROZEN, 'optim_wrapper.optimizer.type', 'optim_wrapper.optimizer.amsgrad')
_GROUPING = ('optim_wrapper.paramwise_cfg', 'optim_wrapper.constructor')


class ScheduleHook(Hook):
    """Resume with the learning rates of a run that had its settings from the start.

    mmengine would restore schedulers and optimizer from the checkpoint: other settings would be
    ignored, and schedulers by iteration would keep their old length when the number of iterations
    per epoch changes, for example with the number of processes.

    Changed settings are logged. Those that cannot be recomputed are refused: schedules that depend
    on validation results, frozen stages, other groups of weights, and another optimizer. Without
    changed settings, such schedules are restored from the checkpoint.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Save the number of iterations per epoch."""
        checkpoint['meta']['iterations_of_epoch'] = len(runner.train_dataloader)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Step the schedulers to the current position, and set the rates of the optimizer.

        Raises:
            WrnError: If a changed setting cannot be recomputed.
        """
        if not runner._resume or 'optimizer' not in checkpoint:
            return
        meta, path = checkpoint['meta'], runner._load_from or runner.work_dir
        changes = find_changes(meta, runner.cfg)
        if changes is None:
            runner.logger.warning(
                f'{path}: its settings are unknown; the learning rates and the schedule are those '
                'in the file'
            )
        _check_changes(changes or {}, runner, checkpoint, path)
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        other_length = by_epoch and meta.get('iterations_of_epoch') != len(runner.train_dataloader)
        if not (changes or other_length):
            return
        schedulers = runner.param_schedulers or []
        if any(getattr(scheduler, 'need_val_args', False) for scheduler in schedulers):
            return
        if changes:
            listed = [f'{key} {old} -> {new}' for key, (old, new) in changes.items()]
            runner.logger.warning(
                f'{path}: resumed with other settings ({some(listed, 5)}); the learning rates are '
                'those of a run that had them from the start'
            )
        _recompute(runner, checkpoint, by_epoch)


def _check_changes(
    changes: dict[str, tuple[Any, Any]], runner: Runner, checkpoint: dict[str, Any], path: Any
) -> None:
    # Not runner.optim_wrapper.param_groups, to which mmengine adds a group for the base rate.
    states = (checkpoint['optimizer'], runner.optim_wrapper.state_dict())
    before, after = ([len(group['params']) for group in s.get('param_groups', ())] for s in states)
    regrouped = before != after and not hasattr(runner, 'strategy')  # which may flatten weights
    refused = [*_FIXED]
    if regrouped:
        refused += _GROUPING
    if any(
        getattr(scheduler, 'need_val_args', False) for scheduler in runner.param_schedulers or ()
    ):
        refused += [*_GROUPING, 'optim_wrapper.optimizer', 'param_scheduler', 'auto_scale_lr']
    for prefix in refused:
        for key, (old, new) in changes.items():
            if key.startswith(prefix):
                raise refuse_change(key, old, new, path)
    if regrouped:
        raise WrnError(
            f'{path}: its optimizer has {count(sum(before), "weight")} in '
            f'{count(len(before), "group")}, but that of the config has {sum(after)} in '
            f'{len(after)}; give the config that it was trained with'
        )
    epoch, last = checkpoint['meta']['epoch'], runner.train_loop.max_epochs
    if 'train_cfg.max_epochs' in changes and epoch > last:
        raise WrnError(
            f'train_cfg.max_epochs={last}: {path} already has {count(epoch, "epoch")}; raise it, '
            'or start a new run in another --work-dir'
        )


def _recompute(runner: Runner, checkpoint: dict[str, Any], by_epoch: bool) -> None:
    meta, length = checkpoint['meta'], len(runner.train_dataloader)
    schedulers = runner.param_schedulers or []
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # torch warns of steps without updates in between
        for done in range(1, meta['iter'] + 1):
            ends_epoch = by_epoch and done % length == 0 and done // length <= meta['epoch']
            for kind in (False, True) if ends_epoch else (False,):
                for scheduler in schedulers:
                    if scheduler.by_epoch == kind:
                        scheduler.step()
    checkpoint['param_schedulers'] = [scheduler.state_dict() for scheduler in schedulers]
    saved, recomputed = checkpoint['optimizer'], runner.optim_wrapper.state_dict()
    for old, new in zip(saved['param_groups'], recomputed['param_groups'], strict=False):
        old.update(new, params=old['params'])  # indices; with a sharding strategy, names
    if 'base_param_settings' in recomputed:
        saved['base_param_settings'] = recomputed['base_param_settings']
