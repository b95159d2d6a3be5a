"""A training loop that resumes exactly where a run was stopped, even within an epoch."""

from copy import deepcopy
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmpretrain.registry import LOOPS
from torch import nn

from wrn.config.config_parts import find_class
from wrn.training.hooks.position import PositionHook
from wrn.training.seeding import seed_iteration
from wrn_base.errors import WrnError


@LOOPS.register_module()
class ExactTrainLoop(EpochBasedTrainLoop):
    """mmengine's epoch-based loop, with the same final weights however often it is resumed.

    :mod:`wrn.training.seeding` determines the order of the images and the random numbers. If a
    validation was due when the checkpoint was written, the resumed run starts with it.

    Args:
        runner: The runner.
        dataloader: The config of the data loader, without ``batch_sampler``.
        **kwargs: The other arguments of :class:`mmengine.runner.EpochBasedTrainLoop`.

    Attributes:
        validated: Whether the current weights have been validated.
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
        """Train, with validations as configured.

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
        """Train for an epoch, or for the rest of it after resuming."""
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
        self._decide_current_val_interval()  # by dynamic_intervals, as mmengine's own loop does
        due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        if self.runner.val_loop is not None and self._epoch >= self.val_begin and due:
            self.runner.val_loop.run()


def use_exact_loop(cfg: Config) -> list[Hook]:
    """Use this loop if the config trains by epochs and has no batch sampler of its own.

    Args:
        cfg: The config, which is changed.

    Returns:
        The hooks that the loop needs; none if it is not used.
    """
    loop = cfg.train_cfg
    kind = loop.get('type', 'EpochBasedTrainLoop' if loop.get('by_epoch') else None)
    kind = find_class(LOOPS, kind)
    if kind is not EpochBasedTrainLoop or 'batch_sampler' in cfg.train_dataloader:
        return []
    loop.pop('by_epoch', None)
    loop.type = 'ExactTrainLoop'
    _check_interval(cfg)
    return [PositionHook()]


def _check_interval(cfg: Config) -> None:
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    counts = cfg.optim_wrapper.get('accumulative_counts', 1)
    interval = hook.get('interval', -1)
    if not hook.get('by_epoch', True) and interval > 0 and interval % counts:
        raise WrnError(
            f'default_hooks.checkpoint.interval={interval}: must be a multiple of '
            f'optim_wrapper.accumulative_counts={counts}, so that no update is incomplete'
        )
