"""A warm-up completes, or is left out: no run stays at the rate that its warm-up begins with."""

import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.runner import Runner

from wrn.config.config_file import read_config
from wrn.training.short_warm_up import leave_out_short_warm_ups
from wrn.training.stretch_schedule import stretch_schedule
from wrn_base import model_index

LINEAR = dict(type='LinearLR', start_factor=0.01, by_epoch=True, end=1)


def find_rates(schedulers, length, epochs):
    """Return the rate of each step, in multiples of the config's, as mmengine's runner sets it."""
    run = SimpleNamespace(
        param_schedulers=schedulers,
        train_dataloader=range(length),
        max_epochs=epochs,
        max_iters=epochs * length,
        logger=logging.getLogger('test'),
        _train_loop=None,
    )
    leave_out_short_warm_ups(run)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], 1.0)
    built = Runner._build_param_scheduler(run, run.param_schedulers, optimizer)
    rates = []
    for step in range(epochs * length):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in built:
            if not scheduler.by_epoch or (step + 1) % length == 0:
                scheduler.step()
    return rates


@pytest.mark.parametrize(
    'warm_up',
    [
        dict(LINEAR, convert_to_iter_based=True),
        dict(LINEAR, convert_to_iter_based=True, end=0.5),  # mmengine would refuse it
        dict(LINEAR, by_epoch=False),
        LINEAR,
        dict(type='ConstantLR', factor=0.1, by_epoch=True, end=1, convert_to_iter_based=True),
    ],
)
def test_a_warm_up_of_one_step_is_left_out(warm_up, caplog):
    cosine = dict(
        type='CosineAnnealingLR', T_max=3, begin=1, end=4, convert_to_iter_based=True, by_epoch=True
    )
    caplog.set_level(logging.INFO)
    given = [dict(warm_up), dict(cosine)]
    assert find_rates(given, 1, 4) == pytest.approx([1, 1, 0.75, 0.25])
    assert given == [warm_up, cosine]  # the config goes into checkpoints
    assert 'the warm-up is left out' in caplog.text


def list_recipes():
    configs = model_index.root().glob('configs/wrn/*.py')
    return [*map(str, sorted(configs)), 'configs/_base_/finetune.py']


@pytest.mark.parametrize('length', [1, 2])
def test_every_recipe_reaches_its_rate(length):
    """Also after ``--epochs``; warm-ups of two steps and more complete without a change."""
    for path in list_recipes():
        for epochs in (1, 2, 12):
            cfg = read_config(path)
            stretch_schedule(cfg, epochs)
            schedulers = cfg.param_scheduler
            schedulers = [schedulers] if isinstance(schedulers, dict) else schedulers
            rates = find_rates(schedulers, length, epochs)
            assert max(rates) == pytest.approx(1, abs=1e-12), (path, epochs)


def test_a_warm_up_longer_than_the_run_is_reported(caplog):
    caplog.set_level(logging.INFO)
    rates = find_rates([dict(LINEAR, by_epoch=False, end=101)], 5, 4)
    assert rates == pytest.approx([0.01 + 0.0099 * step for step in range(20)])
    assert 'the warm-up takes 101 steps, but the run has 20' in caplog.text


def test_longer_warm_ups_are_those_of_mmengine(caplog):
    caplog.set_level(logging.INFO)
    warm_up = dict(LINEAR, convert_to_iter_based=True)
    assert find_rates([warm_up], 5, 1) == pytest.approx([0.01, 0.2575, 0.505, 0.7525, 1])
    assert not caplog.text
