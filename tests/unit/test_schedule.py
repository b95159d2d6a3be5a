"""Schedules are recomputed for another number of iterations per epoch."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import MultiStepLR, OptimWrapper

from wrn.training.hooks.schedule import ScheduleHook


@pytest.mark.parametrize(
    ('epoch', 'iteration', 'steps'),
    [
        (1, 4, 1),  # at the end of the first epoch
        (1, 8, 1),  # after the last iteration of the second epoch, which has not ended yet
        (2, 8, 2),
        (1, 6, 1),
    ],
)
def test_an_epoch_counts_only_after_it_has_ended(epoch, iteration, steps):
    """A checkpoint saved by iteration may come after the last iteration but before the end."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], 1.0)
    scheduler = MultiStepLR(optimizer, milestones=[1, 2], gamma=0.1, by_epoch=True)
    runner = SimpleNamespace(
        _resume=True,
        train_dataloader=range(4),
        param_schedulers=[scheduler],
        optim_wrapper=OptimWrapper(optimizer),
    )
    saved = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], 1.0).state_dict()
    meta = dict(epoch=epoch, iter=iteration, iterations_of_epoch=5)
    checkpoint = dict(meta=meta, optimizer=saved)
    ScheduleHook().after_load_checkpoint(runner, checkpoint)
    assert checkpoint['param_schedulers'][0]['last_step'] == steps
    assert checkpoint['optimizer']['param_groups'][0]['lr'] == pytest.approx(0.1**steps)
