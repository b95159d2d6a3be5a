"""A resumed run has the learning rates of a run that had its settings from the start."""

import logging
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import CosineAnnealingLR, MultiStepLR, OptimWrapper, ReduceOnPlateauLR
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from wrn.training.hooks.schedule import ScheduleHook
from wrn.training.resumed_settings import find_changes
from wrn_base.errors import WrnError


def settings(lr=1.0, kind='SGD', epochs=4, milestones=(1, 2), batch_size=8, **other):
    return Config(
        dict(
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type=kind, lr=lr, **other)),
            param_scheduler=dict(type='MultiStepLR', milestones=list(milestones)),
            train_cfg=dict(max_epochs=epochs),
            train_dataloader=dict(batch_size=batch_size, num_workers=2),
            work_dir='x',
        ),
        format_python_code=False,
    )


def frozen(stages):
    cfg = settings()
    cfg.model = dict(backbone=dict(frozen_stages=stages))
    return cfg


def make_runner(schedule, cfg, loop=EpochBasedTrainLoop, lr=1.0, groups=1):
    weights = [dict(params=[torch.nn.Parameter(torch.ones(1))]) for _ in range(groups)]
    optimizer = torch.optim.SGD(weights, lr)
    scheduler = schedule(optimizer)
    train_loop = Mock(spec=loop, max_epochs=cfg.train_cfg.max_epochs)
    return SimpleNamespace(
        _resume=True,
        _load_from='epoch.pth',
        cfg=cfg,
        logger=logging.getLogger('test'),
        train_loop=train_loop,
        train_dataloader=range(4),
        param_schedulers=[scheduler],
        optim_wrapper=OptimWrapper(optimizer),
    )


def by_steps(optimizer):
    return MultiStepLR(optimizer, milestones=[1, 2], gamma=0.1, by_epoch=True)


def saved(before, length=4, epoch=2, iteration=8, groups=1):
    weights = [dict(params=[torch.nn.Parameter(torch.ones(1))]) for _ in range(groups)]
    optimizer = torch.optim.SGD(weights, 1.0)
    meta = dict(epoch=epoch, iter=iteration, iterations_of_epoch=length)
    if before:
        meta['cfg'] = before.pretty_text
    return dict(meta=meta, optimizer=optimizer.state_dict(), param_schedulers=['kept'])


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
    cfg = settings()
    checkpoint = saved(cfg, 5, epoch, iteration)
    ScheduleHook().after_load_checkpoint(make_runner(by_steps, cfg), checkpoint)
    assert checkpoint['param_schedulers'][0]['last_step'] == steps
    assert checkpoint['optimizer']['param_groups'][0]['lr'] == pytest.approx(0.1**steps)


def test_another_learning_rate_is_not_ignored(caplog):
    runner, checkpoint = make_runner(by_steps, settings(lr=5.0), lr=5.0), saved(settings())
    ScheduleHook().after_load_checkpoint(runner, checkpoint)
    assert checkpoint['optimizer']['param_groups'][0]['lr'] == pytest.approx(5 * 0.01)
    assert 'optim_wrapper.optimizer.lr 1.0 -> 5.0' in caplog.text


def test_each_group_has_its_own_learning_rate():
    """mmengine appends a group for the base rate to those of the optimizer."""
    runner, checkpoint = (
        make_runner(by_steps, settings(lr=5.0), groups=2),
        saved(settings(), groups=2),
    )
    groups = runner.optim_wrapper.param_groups
    for group, lr in zip(groups, (0.5, 5.0, 5.0), strict=True):
        group.update(lr=lr, initial_lr=lr)
    runner.param_schedulers = [by_steps(runner.optim_wrapper)]
    ScheduleHook().after_load_checkpoint(runner, checkpoint)
    state = checkpoint['optimizer']
    rates = [group['lr'] for group in (*state['param_groups'], state['base_param_settings'])]
    assert rates == pytest.approx([0.005, 0.05, 0.05])


@pytest.mark.parametrize('loop', [EpochBasedTrainLoop, IterBasedTrainLoop])
def test_another_schedule_is_not_ignored(loop):
    def cosine(optimizer):
        return CosineAnnealingLR(optimizer, T_max=32, by_epoch=False)

    runner = make_runner(cosine, settings(epochs=8), loop)
    checkpoint = saved(settings())
    ScheduleHook().after_load_checkpoint(runner, checkpoint)
    expected = (1 + torch.cos(torch.tensor(torch.pi * 8 / 32))) / 2
    assert checkpoint['optimizer']['param_groups'][0]['lr'] == pytest.approx(expected.item())


def test_the_same_settings_are_restored(caplog):
    runner, checkpoint = make_runner(by_steps, settings(fused=True)), saved(settings())
    runner.cfg.work_dir, runner.cfg.train_dataloader.num_workers = 'y', 0
    ScheduleHook().after_load_checkpoint(runner, checkpoint)
    assert checkpoint['param_schedulers'] == ['kept']
    assert caplog.text == ''


def test_unknown_settings_are_said(caplog):
    checkpoint = saved(None)
    ScheduleHook().after_load_checkpoint(make_runner(by_steps, settings()), checkpoint)
    assert checkpoint['param_schedulers'] == ['kept']
    assert 'epoch.pth: its settings are unknown' in caplog.text


@pytest.mark.parametrize(
    ('after', 'options', 'message'),
    [
        (settings(kind='Adam'), {}, r'optim_wrapper.optimizer.type=Adam: epoch.pth was trained with SGD'),
        (settings(epochs=1), {}, r'train_cfg.max_epochs=1: epoch.pth already has 2 epochs'),
        (settings(lr=2.0), dict(groups=2), r'epoch.pth: its optimizer has 1 weight in 1 group, but'),
        (settings(), dict(groups=3), r'that of the config has 3 in 3; give the config'),
        (frozen(2), {}, r'model.backbone.frozen_stages=2: epoch.pth was trained with -1'),
        (settings(lr=2.0), dict(schedule=lambda o: ReduceOnPlateauLR(o, monitor='x')), r'lr=2.0'),
    ],
)  # fmt: skip
def test_what_cannot_be_recomputed_is_refused(after, options, message):
    runner = make_runner(**dict(dict(schedule=by_steps, cfg=after), **options))
    with pytest.raises(WrnError, match=message):
        ScheduleHook().after_load_checkpoint(runner, saved(settings()))


def test_find_changes():
    before, after = settings(), settings(milestones=(1, 3), batch_size=4)
    assert find_changes(dict(cfg=before.pretty_text), after) == {
        'param_scheduler.0.milestones.1': (2, 3),
        'train_dataloader.batch_size': (8, 4),
    }
    assert find_changes(dict(cfg='import os'), after) is None
    assert find_changes({}, after) is None
