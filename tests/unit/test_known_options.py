"""Learning rate, batch size, device, workers, patience and seed, applied to a config."""

import logging
from itertools import count

import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from small_run import write_config, write_data

from wrn.config.config_file import read_config
from wrn.jobs.common_options import apply_device_options, apply_schedule_options, check_ranges
from wrn.training.batch_and_rate import scale_by_batch_size
from wrn.training.brief_runner import BriefRunner
from wrn.training.run_device import get_run_device
from wrn_base.errors import WrnError

RUNS = count()


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    """The config of a small run: batches of 8, a rate of 0.05."""
    monkeypatch.chdir(tmp_path)
    write_data('.', 6, 6)
    cfg = read_config(write_config('small.py'))
    cfg.work_dir, cfg.launcher = 'run', 'none'
    return cfg


def apply_options(cfg, **options):
    check_ranges(options)
    apply_device_options(cfg, options)
    apply_schedule_options(cfg, options)


def scaled_rate(cfg, kind=BriefRunner):
    """Return the learning rates of the parameter groups at the start of the run."""
    cfg.experiment_name = f'run{next(RUNS)}'  # mmengine names it after the second
    runner = kind.from_cfg(cfg)
    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.scale_lr(wrapper, runner.auto_scale_lr)
    return [group['lr'] for group in wrapper.optimizer.param_groups]


@pytest.mark.parametrize(
    ('size', 'base', 'counts', 'rate', 'text'),
    [
        (4, None, 1, 0.025, 'learning rate 0.05 to 0.025, for 4 images per update instead of 8'),
        (16, None, 1, 0.1, 'learning rate 0.05 to 0.1, for 16 images per update instead of 8'),
        (4, None, 2, 0.025, 'learning rate 0.05 to 0.025, for 8 images per update instead of 16'),
        (8, 128, 1, 0.05 / 16, 'to 0.00313, for 8 images per update instead of 128; --lr sets it'),
        (8, 128, 4, 0.05 / 4, 'to 0.0125, for 32 images per update instead of 128'),
        (1, None, 1, 0.05 / 8, 'to 0.00625, for 1 image per update instead of 8'),
        (8, None, 1, 0.05, ''),
    ],
)
def test_a_batch_size_scales_the_rate(cfg, caplog, size, base, counts, rate, text):
    cfg.optim_wrapper.accumulative_counts = counts
    if base:
        cfg.auto_scale_lr = dict(base_batch_size=base)
    apply_options(cfg, batch_size=size)
    assert cfg.train_dataloader.batch_size == size
    assert cfg.val_dataloader.batch_size == 8
    with caplog.at_level(logging.INFO, 'wrn'):
        found = scaled_rate(cfg)
    assert found == pytest.approx([rate] * len(found))
    assert found == pytest.approx(scaled_rate(cfg, Runner))  # mmengine's
    notes = [record.message for record in caplog.records if record.name == 'wrn']
    assert len(notes) == bool(text)
    assert text in ''.join(notes)


def test_a_batch_of_all_images_is_no_larger(cfg, caplog):
    apply_options(cfg, batch_size=1000)
    with caplog.at_level(logging.INFO, 'wrn'):
        assert scaled_rate(cfg) == pytest.approx([0.05 * 18 / 8])
    assert 'learning rate 0.05 to 0.113, for 18 images per update instead of 8' in caplog.text


@pytest.mark.parametrize(
    ('kind', 'adaptive'),
    [('SGD', False), ('LARS', False), ('AdamW', True), ('Lamb', True), ('RAdam', True)],
)
def test_adaptive_optimizers_scale_by_the_square_root(cfg, caplog, kind, adaptive):
    cfg.optim_wrapper.optimizer = dict(type=kind, lr=0.01)
    cfg.auto_scale_lr = dict(base_batch_size=32)
    scale_by_batch_size(cfg)
    with caplog.at_level(logging.INFO, 'wrn'):
        found = scaled_rate(cfg)
    assert found == pytest.approx([0.005 if adaptive else 0.0025] * len(found))
    assert ('by the square root' in caplog.text) == adaptive


def test_groups_and_the_base_rate_are_scaled_alike(cfg):
    cfg.optim_wrapper.paramwise_cfg = dict(custom_keys={'backbone.': dict(lr_mult=0.1)})
    apply_options(cfg, batch_size=16)
    runner = BriefRunner.from_cfg(cfg)
    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.scale_lr(wrapper, runner.auto_scale_lr)
    assert {round(group['lr'], 9) for group in wrapper.optimizer.param_groups} == {0.1, 0.01}
    assert wrapper.base_param_settings['lr'] == pytest.approx(0.1)


def test_an_explicit_rate_is_never_scaled(cfg, caplog):
    cfg.auto_scale_lr = dict(base_batch_size=128, enable=True)
    apply_options(cfg, batch_size=4, lr=0.3)
    with caplog.at_level(logging.INFO, 'wrn'):
        assert set(scaled_rate(cfg)) == {0.3}
    assert 'learning rate' not in caplog.text


def test_one_cycle_has_a_rate_of_its_own(cfg):
    cfg.param_scheduler = dict(type='OneCycleLR', eta_max=1.0, total_steps=4)
    with pytest.raises(WrnError, match=r'--batch-size 4: the rates of OneCycleLR .*; add --lr'):
        apply_options(cfg, batch_size=4)
    apply_options(cfg, batch_size=4, lr=0.3)
    assert cfg.param_scheduler.eta_max == 0.3


def test_workers_and_seed(cfg):
    cfg.train_dataloader.update(num_workers=2, persistent_workers=True, prefetch_factor=4)
    apply_options(cfg, workers=0, seed=7)
    assert cfg.randomness.seed == 7
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        assert (loader.num_workers, loader.persistent_workers) == (0, False)
    Runner.build_dataloader(dict(cfg.train_dataloader, dataset=cfg.val_dataloader.dataset))
    apply_options(cfg, workers=3)
    assert cfg.test_dataloader.num_workers == 3


def test_the_device_of_the_machine_is_overruled(cfg, monkeypatch):
    """mmengine takes the machine's device, for which "meta" stands here."""
    monkeypatch.setattr('mmengine.runner.runner.get_device', lambda: 'meta')
    monkeypatch.setattr('wrn.training.run_device.get_device', lambda: 'meta')
    assert next(BriefRunner.from_cfg(cfg).model.parameters()).is_meta
    apply_options(cfg, device='cpu')
    assert get_run_device(cfg) == 'cpu'
    runner = BriefRunner.from_cfg(cfg)
    assert not next(runner.model.parameters()).is_meta
    cfg.launcher = 'pytorch'
    with pytest.raises(WrnError, match='--device cpu: each process of a job takes its own meta'):
        apply_options(cfg, device='cpu')
    cfg.launcher, cfg.runner_type = 'none', 'FlexibleRunner'
    with pytest.raises(WrnError, match='--device cpu: FlexibleRunner chooses the device itself'):
        apply_options(cfg, device='cpu')


def test_a_device_that_is_not_there(cfg):
    with pytest.raises(WrnError, match=r'^--device cuda:99: unavailable \(.*\); give cpu'):
        apply_options(cfg, device='cuda:99')
    with pytest.raises(WrnError, match=r'^--device gpu: unknown; give cpu'):
        apply_options(cfg, device='gpu')


def test_patience_watches_the_metric_of_the_best_checkpoint(cfg):
    apply_options(cfg, patience=3)
    (hook,) = cfg.custom_hooks
    assert (hook.monitor, hook.patience) == ('accuracy/top1', 3)
    assert cfg.default_hooks.checkpoint.save_best == 'accuracy/top1'
    cfg.default_hooks.checkpoint.update(save_best='calibration/nll', rule='less')
    cfg.train_cfg.val_interval = 5
    apply_options(cfg, patience=12)
    (hook,) = cfg.custom_hooks  # not a second one
    assert (hook.monitor, hook.rule, hook.patience) == ('calibration/nll', 'less', 3)


@pytest.mark.parametrize(('topk', 'name'), [(1, 'top1'), ((1, 5), 'top1'), ((5,), 'top5')])
def test_the_accuracy_of_an_evaluator(cfg, topk, name):
    cfg.val_evaluator = [dict(type='Calibration'), dict(type='Accuracy', topk=topk, prefix='x')]
    apply_options(cfg, patience=3)
    assert cfg.custom_hooks[0].monitor == f'x/{name}'


def test_a_resumed_run_keeps_its_count_unless_the_patience_changes(cfg, caplog):
    """A run that has stopped goes on if it is resumed with more patience."""
    runner = BriefRunner.from_cfg(cfg)
    runner._resume = True
    options = dict(type='ResumableEarlyStoppingHook', monitor='accuracy/top1')
    hook = HOOKS.build(dict(options, patience=2))
    hook.wait_count, hook.best_score, runner.train_loop.stop_training = 2, 90.0, True
    hook.before_save_checkpoint(runner, checkpoint := dict(meta={}))
    for patience, stops in ((2, True), (3, False), (1, True)):
        resumed = HOOKS.build(dict(options, patience=patience))
        resumed.after_load_checkpoint(runner, checkpoint)
        assert (resumed.wait_count, resumed.best_score) == (2, 90.0)
        assert runner.train_loop.stop_training == stops


def test_an_equally_good_validation_is_no_improvement(cfg, caplog):
    apply_options(cfg, patience=2)
    hook = HOOKS.build(dict(cfg.custom_hooks[0]))
    runner = BriefRunner.from_cfg(cfg)
    loop = runner.train_loop
    with caplog.at_level(logging.INFO, 'wrn'):
        for accuracy, stops in ((50, 0), (50, 0), (51, 0), (51, 0), (60, 0), (60, 0), (59, 1)):
            assert not loop.stop_training
            loop._epoch += 1
            hook.after_val_epoch(runner, {'accuracy/top1': float(accuracy)})
            assert loop.stop_training == bool(stops)
    text = 'stopping after epoch 7 of 4: accuracy is no better than 60.0 % for 2 validations'
    assert text in caplog.text
    with pytest.raises(WrnError, match='accuracy/top1: not a metric of the validation, which has'):
        hook.after_val_epoch(runner, {'other': 1.0})


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(val_cfg=None), 'the run has no validation to stop by'),
        (dict(val_evaluator=dict(type='Calibration')), 'no accuracy in val_evaluator; name the'),
        (dict(default_hooks=dict(checkpoint=None)), 'default_hooks.checkpoint is off'),
        (
            dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', save_best='ece'))),
            'whether a greater ece is better is unknown',
        ),
    ],
)
def test_what_patience_cannot_watch_is_refused(cfg, change, message):
    for key, value in change.items():
        cfg[key] = value
    with pytest.raises(WrnError, match=f'--patience 3: {message}'):
        apply_options(cfg, patience=3)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(epochs=0), '--epochs 0: must be at least 1'),
        (dict(batch_size=0), '--batch-size 0: must be at least 1'),
        (dict(workers=-1), '--workers -1: must be at least 0'),
        (dict(lr=0.0), '--lr 0: must be a number above 0'),
        (dict(lr=float('nan')), '--lr nan: must be a number above 0'),
        (dict(seed=2**32), '--seed 4294967296: must be at most 4294967295'),
        (dict(lr=0.1, auto_scale_lr=True), '--lr 0.1: is never scaled; leave out --auto-scale-lr'),
    ],
)
def test_values_out_of_range(options, message):
    with pytest.raises(WrnError, match=message):
        check_ranges(options)


def test_a_config_without_one_optimizer(cfg):
    several = Config(dict(optim_wrapper=dict(a={}, b={}), model={}), cfg_text='#', filename='x.py')
    with pytest.raises(WrnError, match=r'--lr 0.1: x.py has no optim_wrapper.optimizer'):
        apply_options(several, lr=0.1)
