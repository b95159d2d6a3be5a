"""The log of a run, with a simulated clock, and its log backends."""

import json
import sys
from functools import partial
from types import ModuleType, SimpleNamespace

import pytest
from commands import make_config
from mmengine.logging import MessageHub
from mmpretrain.utils import load_json_log
from simulated_run import Clock, Network, build_run, use_clock

from wrn.checkpoints import read_checkpoint
from wrn.training.brief_runner import BriefRunner
from wrn.training.hooks import progress_log

DIGITS = 'configs/wrn/wide-resnet16-2_1xb64_digits.py'


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    use_clock(monkeypatch)


@pytest.fixture
def build(tmp_path):
    return partial(build_run, tmp_path)


@pytest.fixture
def lines(tmp_path):
    """Return the lines of the last run's log that start with one of some prefixes."""

    def lines(*prefixes):
        log = max(tmp_path.glob('*/*.log')).read_text()
        found = [line.split(' - INFO - ')[-1] for line in log.splitlines()]
        return [line for line in found if line.startswith(prefixes)]

    return lines


STEPS = [
    # The first step takes 1.02 s, others 0.02 s. The last of an epoch has half a batch, 0.015 s.
    # Data takes 10 ms of each, or 5 ms for half a batch. The share is that of all steps so far.
    'epoch 1/2  step 1/3  loss 0.75  lr 0.0125  4 images/s  data 1 %  ETA 0:00:05',
    'epoch 1/2  step 2/3  loss 0.75  lr 0.0125  200 images/s  data 2 %  ETA 0:00:00',
    'epoch 1/2  step 3/3  loss 0.75  lr 0.0125  171 images/s  data 2 %  ETA 0:00:00',
    # The steps since the first took 55 ms together, plus a validation of 30 s.
    'epoch 2/2  step 1/3  loss 0.75  lr 0.0125  200 images/s  data 3 %  ETA 0:00:20',
    'epoch 2/2  step 2/3  loss 0.75  lr 0.0125  200 images/s  data 4 %  ETA 0:00:08',
    'epoch 2/2  step 3/3  loss 0.75  lr 0.0125  171 images/s  data 5 %  ETA 0:00:00',
]


@pytest.mark.parametrize('accumulate', [1, 3])
def test_log_lines_of_training(build, lines, tmp_path, accumulate):
    """A step is a batch, also when gradients are accumulated."""
    build(accumulate=accumulate).train()
    assert lines('epoch') == STEPS
    assert lines('val', 'accuracy', 'tensor')[:6] == [
        'val  epoch 1/2  step 1/3  200 images/s  data 50 %  ETA 0:00:00',
        'val  epoch 1/2  step 2/3  200 images/s  data 50 %  ETA 0:00:00',
        'val  epoch 1/2  step 3/3  171 images/s  data 45 %  ETA 0:00:00',
        'val  epoch 1/2  accuracy/top1: 62.5000  171 images/s',
        'accuracy/each: 50 75',
        'accuracy/matrix:',
    ]


def test_log_for_programs(build, tmp_path):
    build().train()
    (path,) = tmp_path.glob('*/vis_data/scalars.json')
    log = load_json_log(path)
    speeds = [pytest.approx(speed) for speed in (4 / 1.02, 200, 6 / 0.035, 200, 200, 6 / 0.035)]
    assert [line['images_per_second'] for line in log['train']] == speeds
    assert [line['iter'] for line in log['train']] == [1, 2, 3, 4, 5, 6]
    assert {'loss', 'lr', 'time', 'data_time', 'epoch', 'step'} < log['train'][0].keys()
    # Times of a validation have their own names, or TensorBoard would mix them with training.
    assert log['val'][0].keys() == {
        'accuracy/top1', 'val/time', 'val/data_time', 'val/images_per_second', 'step',
    }  # fmt: skip
    assert log['val'][0]['val/images_per_second'] == pytest.approx(6 / 0.035)


def test_runs_that_start_in_the_same_second_have_logs_of_their_own(tmp_path):
    for name in ('first', 'second'):
        folder = tmp_path / name
        runner = BriefRunner(Network(), str(folder), experiment_name='run')
        runner.visualizer.add_scalar('loss', 1)
        runner.logger.info(name)
        (scalars,) = folder.glob('*/vis_data/scalars.json')
        assert len(scalars.read_text().splitlines()) == 1
        (log,) = folder.glob('*/*.log')
        assert log.read_text().endswith(f'{name}\n')


def test_several_processes_and_drop_last(build, lines, monkeypatch):
    monkeypatch.setattr(progress_log, 'get_world_size', lambda: 8)
    build(drop_last=True).train()
    assert lines('epoch')[1:2] == [STEPS[1].replace('/3', '/2').replace('200', '1,600')]


def test_memory_of_a_gpu(build, lines, monkeypatch):
    monkeypatch.setattr('mmengine.runner.log_processor.is_cuda_available', lambda: True)
    monkeypatch.setattr(progress_log.LogProcessor, '_get_max_memory', lambda *_: 12800)
    build().train()
    assert lines('epoch') == [f'{line}  12.5 GiB' for line in STEPS]


def test_iterations_instead_of_epochs(build, lines):
    build(
        dict(by_epoch=False, max_iters=5, val_interval=4), log_processor=dict(by_epoch=False)
    ).train()
    # The step after a validation counts like any other: 10 images in 55 ms, 14 in 75 ms.
    assert lines('step')[3:] == [
        'step 4/5  loss 0.75  lr 0.0125  182 images/s  data 3 %  ETA 0:00:00',
        'step 5/5  loss 0.75  lr 0.0125  187 images/s  data 4 %  ETA 0:00:00',
    ]
    assert lines('val')[-1] == 'val  accuracy/top1: 62.5000  171 images/s'


def test_speed_is_that_of_the_last_ten_steps():
    hook, hub = progress_log.ThroughputHook(), MessageHub('speed')
    runner = SimpleNamespace(message_hub=hub, iter=0, max_iters=22)
    hook.before_train(runner)
    hook._before_epoch(runner)
    speeds = []
    for runner.iter in range(22):
        Clock.now += 1 if runner.iter == 0 else 0.02 if runner.iter <= 10 else 0.01
        hook._after_iter(runner, runner.iter, dict(data_samples=[None] * 4))
        speeds.append(hub.get_info('images_per_second'))
    faster = [40 / (0.2 - 0.01 * n) for n in range(1, 11)]
    assert speeds == pytest.approx([4, *[200] * 10, *faster, 400])


def test_a_resumed_run_measures_speed_and_eta_anew(build, lines):
    """But mmengine's running means, and so the share of data, continue."""
    build(dict(by_epoch=True, max_epochs=1)).train()
    build(resume=True).train()
    assert lines('epoch') == [
        'epoch 2/2  step 1/3  loss 0.75  lr 0.0125  4 images/s  data 2 %  ETA 0:00:02',
        'epoch 2/2  step 2/3  loss 0.75  lr 0.0125  200 images/s  data 2 %  ETA 0:00:00',
        'epoch 2/2  step 3/3  loss 0.75  lr 0.0125  171 images/s  data 2 %  ETA 0:00:00',
    ]


def test_scalars_are_kept_for_the_last_steps_only(build, monkeypatch, tmp_path):
    monkeypatch.setattr(progress_log, '_KEPT', 2)
    runner = build()
    runner.register_hook(progress_log.HistoryHook())
    runner.train()
    scalars = read_checkpoint(tmp_path / 'epoch_2.pth')['message_hub']['log_scalars']
    kept = {name: len(scalar.data[0]) for name, scalar in scalars.items()}
    assert {'train/loss', 'train/lr', 'train/time', 'train/data_time'} < kept.keys()
    assert {kept[name] for name in kept if name.startswith('train/')} == {2}  # of six


def test_log_lines_of_a_test(build, lines, tmp_path):
    build().test()
    assert lines('test', 'accuracy', 'tensor') == [
        'test  step 1/3  4 images/s  data 1 %  ETA 0:00:02',
        'test  step 2/3  200 images/s  data 2 %  ETA 0:00:01',
        'test  step 3/3  171 images/s  data 2 %  ETA 0:00:00',
        'test  accuracy/top1: 62.5000  171 images/s',
        'accuracy/each: 50 75',
    ]
    (results,) = tmp_path.glob('*/*.json')
    assert json.loads(results.read_text())['accuracy/matrix'] == [[1, 0], [0, 1]]


def test_validation_without_training_and_hierarchical_names(build, lines):
    runner = build(log_processor=dict(log_with_hierarchy=True))
    runner.val()
    assert lines('val')[-2:] == [
        'val  step 3/3  171 images/s  data 2 %  ETA 0:00:00',
        'val  accuracy/top1: 62.5000  171 images/s',
    ]


@pytest.fixture
def packages(monkeypatch):
    """Return a function that sets which packages are installed."""

    def packages(**installed):
        for name, yes in installed.items():
            module = ModuleType(name) if yes else None
            if module:
                module.__spec__ = sys.__spec__
            monkeypatch.setitem(sys.modules, name, module)

    return packages


def read(tmp_path, *options):
    cfg = make_config('train', DIGITS, '--work-dir', str(tmp_path), *options)
    return [backend.type for backend in cfg.visualizer.vis_backends]


def test_log_backends(packages, tmp_path, fails):
    packages(tensorboard=True, wandb=True)
    both = ['LocalVisBackend', 'TensorboardVisBackend', 'WandbVisBackend']
    assert read(tmp_path) == both[:1]
    assert read(tmp_path, '--tensorboard') == both[:2]
    assert read(tmp_path, '--wandb', '--tensorboard') == both
    already = ['--cfg-options', 'visualizer.vis_backends.0.type=WandbVisBackend']
    assert read(tmp_path, '--wandb', *already) == both[2:]
    packages(tensorboard=False, wandb=False)
    for name in ('tensorboard', 'wandb'):
        message = fails('train', DIGITS, '--work-dir', tmp_path, f'--{name}')
        assert f'--{name}: {name} is not installed; run `pip install {name}`' in message
