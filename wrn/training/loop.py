"""A training loop that goes on where a run was stopped, in mid-epoch too."""

from copy import deepcopy
from typing import Any

from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmpretrain.registry import LOOPS
from torch import nn

from wrn.config.config_parts import find_class
from wrn.training.hooks.schedule import ScheduleHook
from wrn.training.seeding import seed_iteration
from wrn.utils.errors import WrnError


@LOOPS.register_module()
class ExactTrainLoop(EpochBasedTrainLoop):
    """mmengine's loop over epochs, which ends with the same weights however often it is resumed.

    Order and randomness are those of :mod:`wrn.training.seeding`. A validation that was due when
    the checkpoint was written is made up for.

    Args:
        runner: The runner.
        dataloader: The config of the data loader, which has no batch sampler of its own.
        **kwargs: The other arguments of :class:`mmengine.runner.EpochBasedTrainLoop`.

    Attributes:
        validated: Whether the weights at hand have been validated.
    """

    validated = False

    def __init__(self, runner: Runner, dataloader: dict[str, Any], **kwargs: Any) -> None:
        dataloader = deepcopy(dataloader)
        dataloader['batch_sampler'] = dict(
            type='SeededBatchSampler',
            batch_size=dataloader['batch_size'],
            drop_last=dataloader.pop('drop_last', False),
            accumulative_counts=runner.cfg.optim_wrapper.get('accumulative_counts', 1),
        )
        dataloader['dataset'] = dict(
            type='SeededDataset', dataset=dataloader['dataset'], seed=runner.seed
        )
        super().__init__(runner, dataloader, **kwargs)

    def run(self) -> nn.Module:
        """Train, and validate meanwhile.

        Returns:
            The model.
        """
        self.runner.call_hook('before_train')
        if self._epoch and not self.validated and self._iter == self._epoch * len(self.dataloader):
            self._validate()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate()
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        """Train for an epoch, or what is left of it."""
        start = self._iter - self._epoch * len(self.dataloader)
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        self.dataloader.batch_sampler.start = start
        for index, batch in enumerate(self.dataloader, start):
            seed_iteration(self.runner.seed, self._iter, self.runner.rank)
            self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _validate(self) -> None:
        self._decide_current_val_interval()
        due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        if self.runner.val_loop is not None and self._epoch >= self.val_begin and due:
            self.runner.val_loop.run()


def use_exact_loop(cfg: Config) -> list[Hook]:
    """Train in this loop, if a config trains by epochs and with the batches of its sampler.

    Args:
        cfg: The config, which is changed.

    Returns:
        The hooks that the loop needs.
    """
    loop = cfg.train_cfg
    kind = loop.get('type', 'EpochBasedTrainLoop' if loop.get('by_epoch') else None)
    kind = find_class(LOOPS, kind)
    if kind is not EpochBasedTrainLoop or 'batch_sampler' in cfg.train_dataloader:
        return []
    loop.pop('by_epoch', None)
    loop.type = 'ExactTrainLoop'
    _check_interval(cfg)
    return [PositionHook(), ScheduleHook()]


def _check_interval(cfg: Config) -> None:
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    counts = cfg.optim_wrapper.get('accumulative_counts', 1)
    interval = hook.get('interval', -1)
    if not hook.get('by_epoch', True) and interval > 0 and interval % counts:
        raise WrnError(
            f'default_hooks.checkpoint.interval={interval}: must be a multiple of '
            f'optim_wrapper.accumulative_counts={counts}, since only then an update is done'
        )


class PositionHook(Hook):
    """Note in checkpoints how many pictures of the epoch are done, and go on from there.

    Also whether the weights have been validated, since that may step a scheduler.

    So a run may go on with another number of processes. An update that would then be done in part
    is done anew. A checkpoint that does not say is taken to stand at the end of an epoch, as those
    that mmengine writes.
    """

    def before_train_epoch(self, runner: Runner) -> None:
        """Note that the weights change."""
        runner.train_loop.validated = False

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Note that the weights are validated."""
        runner.train_loop.validated = True

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Note where the run stands."""
        meta, sampler = checkpoint['meta'], runner.train_dataloader.batch_sampler
        done = meta['iter'] - meta['epoch'] * len(sampler)
        meta['pictures_of_epoch'] = done * sampler.batch_size * get_world_size()
        meta['validated'] = runner.train_loop.validated

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Count the iterations that the pictures are with the batches and processes at hand."""
        if runner._resume:
            meta, sampler = checkpoint['meta'], runner.train_dataloader.batch_sampler
            update = sampler.batch_size * get_world_size() * sampler.accumulative_counts
            updates = meta.get('pictures_of_epoch', 0) // update
            done = min(updates * sampler.accumulative_counts, len(sampler))
            meta['iter'] = meta['epoch'] * len(sampler) + done
            runner.train_loop.validated = meta.get('validated', False)
