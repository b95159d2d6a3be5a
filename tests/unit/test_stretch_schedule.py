"""`--epochs` scales a schedule as the author of its config would."""

import logging
from copy import deepcopy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS
from mmpretrain.registry import HOOKS

from wrn.config.config_file import read_config
from wrn.training.stretch_schedule import stretch_schedule
from wrn_base import model_index
from wrn_base.errors import WrnError

STEPS = 5  # per epoch
BEFORE = 100


def make(*schedulers, epochs=BEFORE, **more):
    cfg = dict(param_scheduler=list(schedulers), train_cfg=dict(max_epochs=epochs), **more)
    return Config(cfg)


def rates(cfg):
    """Return the learning rate of each step, as a run would have it."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], 1.0)
    schedulers = []
    for config in deepcopy(cfg.to_dict()['param_scheduler']):
        kind = PARAM_SCHEDULERS.get(config.pop('type'))
        if config.pop('convert_to_iter_based', False):
            kind, config['epoch_length'] = kind.build_iter_from_epoch, STEPS
        schedulers.append(kind(optimizer, **config))
    found = []
    for step in range(cfg.train_cfg.max_epochs * STEPS):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            if not scheduler.by_epoch or (step + 1) % STEPS == 0:
                scheduler.step()
    return found


@pytest.mark.parametrize(
    ('before', 'after', 'epochs'),
    [
        ('wide-resnet50_8xb256-rsb-a1-600e_in1k', 'wide-resnet50_8xb256-rsb-a2-300e_in1k', 300),
        ('wide-resnet50_8xb256-rsb-a1-600e_in1k', 'wide-resnet50_8xb256-rsb-a3-100e_in1k', 100),
        ('wide-resnet28-10_8xb16_cifar10', 'wide-resnet16-2_1xb64_digits', 20),
    ],
)
def test_authors_who_changed_the_epochs_wrote_the_same_schedule(before, after, epochs):
    """The three recipes of "ResNet strikes back", and that of the embedded model."""
    before, after = read_config(before), read_config(after)
    stretch_schedule(before, epochs)
    assert before.param_scheduler == after.param_scheduler
    assert before.train_cfg.max_epochs == after.train_cfg.max_epochs


N = BEFORE * STEPS
SHAPES = {
    'steps': dict(type='MultiStepLR', milestones=[30, 60, 90], gamma=0.1),
    'steps by iteration': dict(
        type='MultiStepLR', milestones=[150, 300], gamma=0.1, by_epoch=False, end=N
    ),
    'regular steps': dict(type='StepLR', step_size=30, gamma=0.1),
    'exponential': dict(type='ExponentialLR', gamma=0.97),
    'cosine': dict(type='CosineAnnealingLR', T_max=100, eta_min=0.01, end=100),
    'cosine without an end': dict(type='CosineAnnealingLR', T_max=100),
    'cosine converted': dict(
        type='CosineAnnealingLR', T_max=80, begin=20, end=100, convert_to_iter_based=True
    ),
    'cosine by iteration': dict(type='CosineAnnealingLR', T_max=N, by_epoch=False),
    'linear': dict(type='LinearLR', start_factor=1.0, end_factor=0.1, end=100),
    'polynomial': dict(type='PolyLR', eta_min=0.1, power=2, end=100),
    'restarts': dict(
        type='CosineRestartLR', periods=[20, 40, 40], restart_weights=[1, 0.5, 0.2], eta_min=0
    ),
    'one cycle': dict(type='OneCycleLR', eta_max=1.0, total_steps=N, by_epoch=False),
}


@pytest.mark.parametrize('epochs', [50, 300])
@pytest.mark.parametrize('shape', SHAPES)
def test_a_rate_is_reached_at_the_same_share_of_the_run(shape, epochs):
    before, after = make(SHAPES[shape]), make(SHAPES[shape])
    stretch_schedule(after, epochs)
    assert after.train_cfg.max_epochs == epochs
    old, new = rates(before), rates(after)
    ratio = epochs / BEFORE
    assert len(new) == len(old) * ratio
    # Rates that change by epoch, or by the number of steps minus one, differ by a part of an epoch.
    for share in (0.06, 0.24, 0.46, 0.56, 0.76, 0.96):
        assert new[int(share * N * ratio)] == pytest.approx(old[int(share * N)], abs=0.03), share


def warm(end, **more):
    return dict(type='LinearLR', start_factor=0.01, end=end, **more)


@pytest.mark.parametrize(
    ('epochs', 'warm_up'), [(1000, 5), (50, 5), (10, 5), (9, 4), (3, 1), (2, 1), (1, None)]
)
def test_a_warm_up_keeps_its_length_unless_the_run_is_short(epochs, warm_up, caplog):
    cosine = dict(type='CosineAnnealingLR', T_max=95, begin=5, end=100)
    cfg = make(warm(5, convert_to_iter_based=True), cosine)
    with caplog.at_level(logging.INFO, 'wrn'):
        stretch_schedule(cfg, epochs)
    assert f'--epochs {epochs}: the schedule of 100 epochs is scaled to {epochs}' in caplog.text
    assert (f'the warm-up from 5 to {warm_up or 0}' in caplog.text) == (warm_up != 5)
    *first, cosine = cfg.param_scheduler
    assert [scheduler.end for scheduler in first] == [warm_up] * bool(warm_up)
    start = warm_up or 0
    assert (cosine.begin, cosine.T_max, cosine.end) == (start, epochs - start, epochs)
    assert max(rates(cfg)) == pytest.approx(1)


def test_a_warm_up_in_iterations_before_a_schedule_in_epochs():
    cfg = make(warm(20, by_epoch=False), SHAPES['steps'])
    stretch_schedule(cfg, 10)
    assert cfg.param_scheduler[0].end == 20
    assert cfg.param_scheduler[1].milestones == [3, 6, 9]
    cfg = make(warm(20, by_epoch=False), dict(SHAPES['cosine by iteration'], begin=20, T_max=480))
    stretch_schedule(cfg, 10)
    assert (cfg.param_scheduler[0].end, cfg.param_scheduler[1].begin) == (20, 20)
    assert cfg.param_scheduler[1].T_max == 30


def test_schedules_by_optimizer_and_without_schedulers():
    cfg = make()
    cfg.param_scheduler = dict(first=SHAPES['steps'], second=[SHAPES['cosine']])
    stretch_schedule(cfg, 10)
    assert cfg.param_scheduler.first.milestones == [3, 6, 9]
    assert cfg.param_scheduler.second[0].T_max == 10
    bare = Config(dict(train_cfg=dict(max_epochs=5, val_begin=3, val_interval=4)))
    stretch_schedule(bare, 2)
    assert bare.train_cfg == dict(max_epochs=2, val_begin=2, val_interval=2)
    assert 'param_scheduler' not in bare
    late = Config(dict(train_cfg=dict(max_epochs=100, val_begin=100)))
    stretch_schedule(late, 2)
    assert late.train_cfg.val_begin == 2


def test_hooks_act_at_the_same_share_of_the_run(caplog):
    switch = [
        dict(action_epoch=61, batch_augments=None),
        dict(action_epoch=91, loss=dict(type='CrossEntropyLoss')),
    ]
    hooks = [
        dict(type='SwitchRecipeHook', schedule=switch),
        dict(type='EMAHook', momentum=1e-3, begin_epoch=5),
        dict(type='EMAHook', begin_iter=100),
        dict(type='WarmupParamHook', param_name='p', module_name='head', warmup_epochs=30),
    ]
    checkpoint = dict(type='CheckpointHook', interval=1, save_begin=50)
    cfg = make(warm(5), SHAPES['cosine'], custom_hooks=hooks)
    cfg.default_hooks = dict(checkpoint=checkpoint)
    with caplog.at_level(logging.INFO, 'wrn'):
        stretch_schedule(cfg, 20)
    recipe, first, second, warmed = cfg.custom_hooks
    # 5 epochs of warm-up, and 15 for the other 95.
    assert [step.action_epoch for step in recipe.schedule] == [15, 19]
    assert (first.momentum, first.begin_epoch) == (pytest.approx(5e-3), 5)
    assert (second.momentum, second.begin_iter) == (pytest.approx(1e-3), 20)
    assert warmed.warmup_epochs == 9
    assert cfg.default_hooks.checkpoint.save_begin == 12
    for hook in cfg.to_dict()['custom_hooks'][:3]:
        HOOKS.build(hook)
    assert (
        'SwitchRecipeHook acts at epoch 15, 19, the momentum of the EMA from 0.001' in caplog.text
    )
    stretch_schedule(cfg, 1)
    assert cfg.custom_hooks[0].schedule == [{**switch[0], **switch[1], 'action_epoch': 2}]
    assert cfg.custom_hooks[1].momentum == pytest.approx(0.1)


@pytest.mark.parametrize(('epochs', 'interval'), [(100, 5), (20, 5), (8, 2), (4, 1), (1, 1)])
def test_a_short_run_is_validated_and_saved_as_often(epochs, interval, caplog):
    cfg = read_config('wide-resnet16-2_1xb64_digits')
    with caplog.at_level(logging.INFO, 'wrn'):
        stretch_schedule(cfg, epochs)
    assert cfg.train_cfg.val_interval == cfg.default_hooks.checkpoint.interval == interval
    for what in ('validation', 'checkpoint'):
        assert (f'the {what} interval from 5 to {interval}' in caplog.text) == (interval != 5)


def test_other_intervals_of_a_short_run():
    every = dict(dynamic_intervals=[(1, 10), (81, 1)])
    cfg = make(SHAPES['cosine'])
    cfg.train_cfg.update(every)
    cfg.default_hooks = dict(checkpoint=dict(interval=1000, by_epoch=False))
    stretch_schedule(cfg, 20)
    assert cfg.train_cfg.dynamic_intervals == [(1, 2), (16, 1)]
    assert cfg.default_hooks.checkpoint.interval == 200
    cfg.default_hooks.checkpoint.interval = -1  # none
    stretch_schedule(cfg, 10)
    assert cfg.default_hooks.checkpoint.interval == -1


def test_an_interval_that_the_user_states_stays():
    cfg = read_config('wide-resnet16-2_1xb64_digits')
    stretch_schedule(cfg, 10, stated=['train_cfg.val_interval'])
    assert (cfg.train_cfg.val_interval, cfg.default_hooks.checkpoint.interval) == (5, 2)


def test_every_shipped_schedule_can_be_short():
    for path in sorted(model_index.root().glob('configs/wrn/*.py')):
        cfg = read_config(path)
        stretch_schedule(cfg, 2)
        if isinstance(cfg.param_scheduler, dict):
            cfg.param_scheduler = [cfg.param_scheduler]
        assert max(rates(cfg)) == pytest.approx(1), path


def test_what_cannot_be_stretched_is_refused():
    cfg = Config(
        dict(train_cfg=dict(by_epoch=False, max_iters=500)), cfg_text='#', filename='steps.py'
    )
    with pytest.raises(WrnError, match=r'steps.py does not train by epochs .*max_iters=500.*; set'):
        stretch_schedule(cfg, 3)
    same = make(SHAPES['steps'])
    stretch_schedule(same, BEFORE)
    assert same.to_dict() == make(SHAPES['steps']).to_dict()
