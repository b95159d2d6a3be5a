"""What a run reports about itself, with a simulated clock."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.logging import MessageHub
from simulated_run import build_run, use_clock

from wrn.training.hooks.show_progress import ShowProgressHook
from wrn.training.main_metric import find_main_metric
from wrn.training.train_result import describe_result
from wrn_base.progress_line import epoch_parts, fit
from wrn_base.run_progress import Epoch, RunProgress, Step


class Recorder(RunProgress):
    """Records what is reported."""

    def __init__(self):
        self.steps, self.epochs, self.others = [], [], []

    def step(self, step):
        self.steps.append(step)

    def epoch(self, epoch):
        self.epochs.append(epoch)

    def phase(self, name):
        self.others.append(name)

    def note(self, text):
        self.others.append(text)

    def estimate(self, seconds, what, on_cpu):
        self.others.append((round(seconds, 3), what, on_cpu))

    def end(self, text=None):
        self.others.append(('end', text))


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Build a simulated run; return it and what it reports."""
    use_clock(monkeypatch)

    def build(**kwargs):
        runner, recorder = build_run(tmp_path, **kwargs), Recorder()
        runner.register_hook(ShowProgressHook(recorder))
        return runner, recorder

    return build


def rounded(step):
    left = step.seconds_left
    return replace(step, images_per_second=round(step.images_per_second), share=round(step.share, 3), seconds_left=left and round(left))  # fmt: skip


def test_training_by_epochs(build):
    runner, seen = build()
    runner.train()
    # The values are those in the lines of the log: see test_logs.py.
    first = dict(epochs=2, loss=0.75)
    assert [rounded(step) for step in seen.steps if step.task == 'train'] == [
        Step('train', 1, 3, 0.167, 1, images_per_second=4, seconds_left=5, **first),
        Step('train', 2, 3, 0.333, 1, images_per_second=200, seconds_left=0, **first),
        Step('train', 3, 3, 0.5, 1, images_per_second=171, seconds_left=0, **first),
        Step('train', 1, 3, 0.667, 2, images_per_second=200, seconds_left=20, **first),
        Step('train', 2, 3, 0.833, 2, images_per_second=200, seconds_left=8, **first),
        Step('train', 3, 3, 1.0, 2, images_per_second=171, seconds_left=0.0, **first),
    ]
    assert [rounded(step) for step in seen.steps if step.task == 'val'] == [
        Step('val', 1, 3, 0.5, 1, 2, images_per_second=200),
        Step('val', 2, 3, 0.5, 1, 2, images_per_second=200),
        Step('val', 3, 3, 0.5, 1, 2, images_per_second=171),
        Step('val', 1, 3, 1.0, 2, 2, images_per_second=200),
        Step('val', 2, 3, 1.0, 2, 2, images_per_second=200),
        Step('val', 3, 3, 1.0, 2, 2, images_per_second=171),
    ]
    epoch = Epoch(1, 2, 'epoch', 0.75, 0.0125, 'accuracy', 62.5, 62.5, 10)
    assert seen.epochs == [epoch, replace(epoch, number=2)]
    # The steps after the first take 17.5 ms on average. An image takes a third of that in validation.
    pace, images = 0.035 / 2, 2
    duration = 1.02 + 2 * pace + 3 * pace + 2 * 10 * pace / images / 3
    assert seen.others == [
        'loading the weights',
        'first step',
        (round(duration, 3), '2 epochs', True),
        ('end', '2 epochs in 1:01'),
    ]


def test_training_by_iterations(build):
    runner, seen = build(
        train_cfg=dict(by_epoch=False, max_iters=5, val_interval=2),
        log_processor=dict(by_epoch=False),
    )
    runner.train()
    steps = [step for step in seen.steps if step.task == 'train']
    assert [(step.step, step.steps, step.epoch) for step in steps] == [(i, 5, None) for i in range(1, 6)]  # fmt: skip
    epoch = Epoch(2, 5, 'step', 0.75, 0.0125, 'accuracy', 62.5, 62.5, 10)
    assert seen.epochs == [epoch, replace(epoch, number=4), replace(epoch, number=5)]
    assert seen.others[-1] == ('end', '5 steps in 1:31')


@pytest.mark.parametrize(
    ('train_cfg', 'expected'),
    [
        (dict(by_epoch=True, max_epochs=2), [Epoch(i, 2, 'epoch', 0.75, 0.0125) for i in (1, 2)]),
        (dict(by_epoch=False, max_iters=5), [Epoch(5, 5, 'step', 0.75, 0.0125)]),
    ],
)
def test_training_without_validation(build, train_cfg, expected):
    no_validation = dict(val_dataloader=None, val_cfg=None, val_evaluator=None)
    runner, seen = build(train_cfg=train_cfg, **no_validation)
    runner.train()
    assert seen.epochs == expected


def test_epochs_that_are_not_validated(build):
    runner, seen = build(train_cfg=dict(by_epoch=True, max_epochs=3, val_interval=2))
    runner.train()
    assert [(epoch.number, epoch.metric) for epoch in seen.epochs] == [
        (1, None), (2, 'accuracy'), (3, 'accuracy'),
    ]  # fmt: skip


def test_a_resumed_run_knows_the_best_value_so_far(build, tmp_path, monkeypatch):
    build()[0].train()  # its last checkpoint has the validation after the first epoch
    runner, seen = build(resume=True, train_cfg=dict(by_epoch=True, max_epochs=3))
    monkeypatch.setattr('simulated_run.Metric.value', 50.0)
    monkeypatch.chdir(tmp_path.parent)
    runner.train()
    (epoch,) = seen.epochs
    assert (epoch.number, epoch.value, epoch.best) == (3, 50.0, 62.5)
    assert (
        f'resuming from {tmp_path.name}, after epoch 2, after iteration 6 in total' in seen.others
    )
    assert seen.others[-2][1:] == ('the remaining epoch', True)
    assert seen.others[-1] == ('end', '1 epoch in 0:31')


def test_a_run_that_stops_early(build):
    hook = EarlyStoppingHook('accuracy/top1', patience=1)
    runner, seen = build(train_cfg=dict(by_epoch=True, max_epochs=9), custom_hooks=[hook])
    runner.train()
    assert seen.others[-1] == ('end', '2 epochs in 1:01; stopped early after epoch 2 of 9')


@pytest.mark.parametrize(
    ('train_cfg', 'unit'),
    [
        (dict(by_epoch=True, max_epochs=9), 'epoch'),
        (dict(by_epoch=False, max_iters=9, val_interval=1), 'step'),
    ],
)
def test_the_line_before_an_early_stop_promises_no_time(build, train_cfg, unit):
    hook = dict(type='ResumableEarlyStoppingHook', monitor='accuracy/top1', patience=1)
    log_processor = dict(by_epoch=train_cfg['by_epoch'])
    runner, seen = build(train_cfg=train_cfg, custom_hooks=[hook], log_processor=log_processor)
    runner.train()
    assert [epoch.stopped for epoch in seen.epochs] == [False, True]
    lines = [fit(epoch_parts(epoch, 60.0), None) for epoch in seen.epochs]
    assert [line.endswith('  1:00 left') for line in lines] == [True, False]
    assert seen.others[-1][1].endswith(f'; stopped early after {unit} 2 of 9')


def test_a_test(build):
    runner, seen = build()
    runner.test()
    assert [rounded(step) for step in seen.steps] == [
        Step('test', 1, 3, 0.333, images_per_second=4, seconds_left=2),
        Step('test', 2, 3, 0.667, images_per_second=200, seconds_left=1),
        Step('test', 3, 3, 1.0, images_per_second=171, seconds_left=0.0),
    ]
    assert seen.others == ['loading the weights', 'first step', ('end', None)]


def test_other_timers_and_none(build, tmp_path):
    """A config of mmpretrain has mmengine's timer; a run may also have none."""
    runner, seen = build(default_hooks=dict(timer=dict(type='IterTimerHook')))
    runner.train()
    assert [round(step.images_per_second) for step in seen.steps[:3]] == [4, 8, 6]
    assert seen.steps[1].seconds_left is not None
    runner, seen = build(
        default_hooks=dict(timer=None, logger=None, runtime_info=None), log_level='ERROR'
    )
    runner.train()
    assert {step.images_per_second for step in seen.steps} == {None}
    assert [epoch.loss for epoch in seen.epochs] == [None, None]


def test_what_a_run_leaves(build, tmp_path):
    runner, _ = build()
    runner.train()
    result = describe_result(runner, None)
    assert (result.last, result.best) == (tmp_path / 'epoch_2.pth', None)
    assert (result.folder, result.images) == (tmp_path, 10)
    assert result.log.read_text()
    checkpoint = dict(type='CheckpointHook', save_best='accuracy/top1', rule='greater')
    runner, _ = build(default_hooks=dict(checkpoint=checkpoint))
    runner.train()
    result = describe_result(runner, None)
    assert result.best == tmp_path / 'best_accuracy_top1_epoch_1.pth'


@pytest.mark.parametrize(
    ('metrics', 'save_best', 'rule', 'key', 'label', 'best'),
    [
        ({'accuracy/top1': 90.0, 'accuracy/top5': 99.0}, None, None, 'accuracy/top1', 'accuracy', 95.0),
        ({'accuracy/top5': 90.0}, None, None, 'accuracy/top5', 'top5 accuracy', 95.0),
        ({'calibration/ece': 1.0, 'multi-label/mAP': 90.0}, None, None, 'multi-label/mAP', 'mAP', 95.0),
        ({'calibration/nll': 0.5, 'each': [1.0]}, None, None, 'calibration/nll', 'nll', None),
        ({'accuracy/top1': 90.0, 'calibration/nll': 0.5}, 'calibration/nll', 'less', 'calibration/nll', 'nll', 0.1),
        ({'accuracy/top1': 90.0, 'loss': 0.5}, 'auto', None, 'accuracy/top1', 'accuracy', 95.0),
        ({'each': [1.0]}, None, None, None, None, None),
    ],
)  # fmt: skip
def test_the_main_metric(metrics, save_best, rule, key, label, best):
    hub = MessageHub(f'metrics {key} {save_best}')
    for value in (95.0, 0.1):
        for name in ('accuracy/top1', 'accuracy/top5', 'multi-label/mAP', 'calibration/nll'):
            hub.update_scalar(f'val/{name}', value)
    hook = CheckpointHook(save_best=save_best, rule=rule)
    found = find_main_metric(SimpleNamespace(hooks=[hook], message_hub=hub), metrics)
    assert (found and (found.key, found.label, found.best)) == (key and (key, label, best))
