"""A run that is killed or stopped, and resumed, ends like an uninterrupted one."""

import contextlib
import os
import random
import re
import resource
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from commands import start_wrn, wait_for

from wrn.checkpoints import read_checkpoint
from wrn.training.hooks.safe_checkpoints import SafeCheckpointHook, SafeLocalBackend
from wrn_base import model_index

pytestmark = pytest.mark.slow

LAST = 'iter_48.pth'  # 4 epochs of 6 updates of 2 batches


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """Write a config with everything that has state.

    That is dropout, mixup, averaged weights, momentum, a schedule by iteration and workers.
    Checkpoints are written within epochs; the last two and the best are kept.
    """
    path = tmp_path_factory.mktemp('config') / 'small.py'
    path.write_text(f"""
_base_ = ['{model_index.root()}/configs/wrn/wide-resnet16-2_1xb64_digits.py']
model = dict(
    backbone=dict(_delete_=True, type='WideResNetCIFAR', depth=10, widen_factor=1, drop_rate=0.3),
    head=dict(in_channels=64),
    train_cfg=dict(augments=dict(type='Mixup', alpha=0.5)),
)
train_dataloader = dict(batch_size=8, num_workers=1, persistent_workers=True,
                        dataset=dict(indices=92))
val_dataloader = dict(dataset=dict(indices=64))
optim_wrapper = dict(accumulative_counts=2)
param_scheduler = [dict(type='CosineAnnealingLR', T_max=4, end=4,
                        convert_to_iter_based=True)]
train_cfg = dict(max_epochs=4, val_interval=1)
default_hooks = dict(checkpoint=dict(
    interval=2, by_epoch=False, max_keep_ckpts=2, save_best='accuracy/top1', rule='greater'))
custom_hooks = [dict(type='EMAHook', momentum=0.1, update_buffers=True)]
randomness = dict(seed=3, deterministic=True)
""")
    return path


@pytest.fixture(scope='module')
def start(tmp_path_factory):
    """Return a function that starts training in another process."""
    outputs = tmp_path_factory.mktemp('outputs')

    def start(config, work_dir, *options):
        words = ['train', str(config), '--work-dir', str(work_dir), *map(str, options)]
        process = start_wrn(words, (outputs / 'stdout', outputs / 'stderr'))
        process.outputs = outputs
        return process

    return start


def ended(process, code):
    """Wait for the end of a run, and return the last line of its standard error."""
    process.join(120)
    stderr = (process.outputs / 'stderr').read_text()
    assert process.exitcode == code, stderr
    assert 'Traceback' not in stderr
    return stderr.splitlines()[-1]


@pytest.fixture(scope='module')
def undisturbed(config, start, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('undisturbed')
    ended(start(config, work_dir), 0)
    return work_dir


def contents(work_dir, name=LAST):
    """Return the parts of a checkpoint that do not depend on time."""
    checkpoint = read_checkpoint(work_dir / name)
    meta = {key: checkpoint['meta'][key] for key in ('epoch', 'iter', 'seed', 'pictures_of_epoch')}
    names = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers')
    return dict(meta=meta, **{name: checkpoint[name] for name in names})


def assert_equal(one, other):
    """Check that two values are bit-identical."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list):
        for a, b in zip(one, other, strict=True):
            assert_equal(a, b)
    elif isinstance(one, torch.Tensor):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    else:
        assert one == other


@pytest.mark.ci
def test_killed_at_twenty_moments(config, start, undisturbed, tmp_path):
    """Ten at random, and ten while a checkpoint is written, so that its temporary file exists."""
    rng = random.Random(0)
    kills = 0
    written = set()
    while kills < 20:
        process = start(config, tmp_path, '--resume')
        if kills % 2:
            before = time.time_ns()

            def writing(before=before):
                return any(p.stat().st_ctime_ns > before for p in tmp_path.glob('.wrn-*/*.pth'))

            with contextlib.suppress(FileNotFoundError):  # the file was renamed meanwhile
                wait_for(writing, process.is_alive)
        else:
            wait_for(lambda: any(tmp_path.glob('2*')), process.is_alive)
            time.sleep(rng.uniform(0, 1.5))
        process.kill()
        process.join()
        if process.exitcode == 0:  # it finished first: start over
            shutil.rmtree(tmp_path)
            tmp_path.mkdir()
            continue
        assert process.exitcode == -signal.SIGKILL
        kills += 1
        written |= {path.name for path in tmp_path.glob('.wrn-*/*.pth')}
    assert written  # some writes were interrupted
    ended(start(config, tmp_path, '--resume'), 0)
    assert_equal(contents(tmp_path), contents(undisturbed))
    assert not list(tmp_path.glob('.wrn-*/*.pth'))
    names = [{path.name for path in folder.glob('*.pth')} for folder in (undisturbed, tmp_path)]
    assert names[0] <= names[1]
    (best,) = undisturbed.glob('best_*.pth')
    assert_equal(
        read_checkpoint(best)['state_dict'], read_checkpoint(tmp_path / best.name)['state_dict']
    )


def workers(process):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
        path = Path(f'/proc/{process.pid}/task/{process.pid}/children')
        return [int(pid) for pid in path.read_text().split()]
    return []


def blocks_sigterm(pid):
    """Return whether a process is a data worker that has already blocked SIGTERM."""
    with contextlib.suppress(OSError):
        blocked = re.search(r'SigBlk:\s*(\w+)', Path(f'/proc/{pid}/status').read_text())[1]
        return int(blocked, 16) == 1 << signal.SIGTERM - 1
    return False  # a short-lived child process that has ended


def stopped(process, work_dir):
    """Signal all processes as a scheduler does; return the position that is reported."""

    def signal_all():
        for pid in (*workers(process), process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        return not process.is_alive()

    wait_for(signal_all)  # repeatedly, since torchrun signals the processes too
    line = ended(process, os.EX_TEMPFAIL)
    assert (work_dir / 'last_checkpoint').read_text() == str(work_dir / 'stopped.pth')
    where = re.fullmatch(
        r'wrn: stopped by SIGTERM (\w+) epoch (\d), after iteration (\d+) in total; '
        'saved .*/stopped.pth: run again with --resume',
        line,
    )
    place, *numbers = where.groups()
    return [place, *map(int, numbers)]


def shown(process):
    """Return what a run has shown."""
    return (process.outputs / 'stderr').read_text()


def validated(process):
    """Return the epochs that a run has validated."""
    return re.findall(r'^epoch (\d)/4 .* accuracy ', shown(process), re.MULTILINE)


@pytest.mark.ci
def test_stopped_by_a_scheduler(config, start, undisturbed, tmp_path):
    """Before training; in a validation, which needs its worker; within an update."""
    process = start(config, tmp_path)
    wait_for((tmp_path / '.started').exists, process.is_alive)
    assert stopped(process, tmp_path) == ['in', 1, 2]

    long = ['batch_size=1', 'num_workers=1', 'persistent_workers=True', 'dataset.indices=360']
    long = [f'val_dataloader.{setting}' for setting in long]
    process = start(config, tmp_path, '--resume', '--cfg-options', *long)
    wait_for(lambda: sum(map(blocks_sigterm, workers(process))) == 2, process.is_alive)
    assert stopped(process, tmp_path) == ['after', 1, 12]
    assert validated(process) == ['1']

    process = start(config, tmp_path, '--resume')
    wait_for((tmp_path / 'iter_20.pth').exists, process.is_alive)
    assert stopped(process, tmp_path)[1:] > [2, 19]
    process = start(config, tmp_path, '--resume')
    ended(process, 0)
    assert f'wrn: resuming from {tmp_path}/stopped.pth, ' in shown(process)
    assert_equal(contents(tmp_path), contents(undisturbed))


@pytest.mark.ci
def test_resuming_with_other_iterations_per_epoch(config, start, undisturbed, tmp_path):
    """Half as many, as with twice the processes: the rate is as if it had always been so."""
    schedule = tmp_path / 'schedule.py'
    schedule.write_text(f"""
_base_ = ['{config}']
train_dataloader = dict(batch_size=16)
default_hooks = dict(checkpoint=dict(save_best=None))  # it would save again after the epoch
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, end=2, by_epoch=True, convert_to_iter_based=True),
    dict(type='MultiStepLR', milestones=[1, 3], gamma=0.5),
    dict(type='CosineAnnealingLR', T_max=5, begin=1, by_epoch=True, convert_to_iter_based=True),
]
""")
    whole, resumed = tmp_path / 'whole', tmp_path / 'resumed'
    ended(start(schedule, whole, '--auto-scale-lr'), 0)
    process = start(schedule, resumed, '--auto-scale-lr', '--resume', undisturbed / 'iter_46.pth')
    ended(process, 0)
    assert ', in epoch 4, after iteration 22 in total\n' in shown(process)
    states = [contents(folder, 'iter_24.pth') for folder in (whole, resumed)]
    assert_equal(*(state['param_schedulers'] for state in states))
    assert_equal(*(state['optimizer']['param_groups'] for state in states))
    assert len(states[1]['optimizer']['state']) > 0


def test_early_stopping_continues_its_count(config, start, tmp_path):
    """No accuracy improves enough on the first, so the second of those stops the run."""
    stops = tmp_path / 'stops.py'
    stops.write_text(f"""
_base_ = ['{config}']
custom_hooks = [dict(type='EarlyStoppingHook', monitor='accuracy/top1', patience=2, min_delta=99)]
""")
    ended(start(stops, tmp_path / 'run', '--cfg-options', 'train_cfg.max_epochs=1'), 0)
    process = start(stops, tmp_path / 'run', '--resume')
    ended(process, 0)
    assert validated(process) == ['2', '3']
    process = start(stops, tmp_path / 'run', '--resume')
    ended(process, 0)
    assert 'epoch 4/4' not in shown(process)


def test_a_full_disk(config, start, undisturbed, tmp_path):
    process = start(config, tmp_path)
    wait_for((tmp_path / 'iter_20.pth').exists, process.is_alive)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (300_000, 300_000))  # bytes per file
    line = ended(process, 1)
    assert re.fullmatch(
        r'wrn: error: .*iter_\d+.pth: cannot be written \(File too large\); free space, or choose '
        'another path',
        line,
    )
    assert not list(tmp_path.glob('.wrn-*/*.pth'))
    assert len(list(tmp_path.glob('iter_*.pth'))) == 2
    ended(start(config, tmp_path, '--resume'), 0)
    assert_equal(contents(tmp_path), contents(undisturbed))


def test_a_killed_data_worker(config, start, tmp_path):
    process = start(config, tmp_path)
    wait_for((tmp_path / 'iter_4.pth').exists, process.is_alive)
    os.kill(workers(process)[0], signal.SIGKILL)
    assert ended(process, 1).startswith('wrn: error: a data worker was killed, most likely because')


@pytest.mark.parametrize(
    ('settings', 'reason'),
    [
        (['lr=1e25'], 'the loss is (nan|inf) in epoch 1, batch '),
        (['lr=1e38', 'weight_decay=1e3'], r'\S+ is no longer finite in epoch 1;'),
    ],
)
def test_loss_or_weights_that_are_not_finite(config, start, tmp_path, settings, reason):
    settings = [f'optim_wrapper.optimizer.{setting}' for setting in settings]
    line = ended(start(config, tmp_path, '--cfg-options', *settings), 1)
    assert re.match(rf'wrn: error: {config}: {reason}', line)
    for path in tmp_path.glob('*.pth'):
        weights = read_checkpoint(path)['state_dict'].values()
        assert all(weight.isfinite().all() for weight in weights)


@pytest.fixture
def copied(undisturbed, tmp_path):
    """Return a copy of the folder of a finished run."""
    return shutil.copytree(undisturbed, tmp_path / 'run', dirs_exist_ok=True)


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_checkpoint(config, start, undisturbed, copied):
    damage(copied / LAST)
    process = start(config, copied, '--resume')
    ended(process, 0)
    output = shown(process)
    assert re.search(rf'{LAST}: the file is damaged .*; trying the previous one', output)
    assert 'iter_46.pth' in output
    assert_equal(contents(copied), contents(undisturbed))


def test_only_damaged_checkpoints(config, fails, copied):
    for path in copied.glob('iter_*.pth'):
        damage(path)
    line = fails('train', config, '--work-dir', copied, '--resume')
    assert 'has no intact checkpoint' in line
    line = fails('train', config, '--work-dir', copied, '--resume', copied / LAST)
    assert f'{LAST}: the file is damaged' in line


def test_checkpoints_in_another_folder(config, start, undisturbed, tmp_path):
    kept = ['--cfg-options', f'default_hooks.checkpoint.out_dir={tmp_path}/kept']
    ended(start(config, tmp_path / 'run', *kept, 'train_cfg.max_epochs=1'), 0)
    process = start(config, tmp_path / 'run', '--resume', *kept)
    ended(process, 0)
    # The first epoch is not validated again: its best checkpoint was saved after the validation.
    assert validated(process) == ['2', '3', '4']
    assert_equal(contents(tmp_path / 'kept' / 'run'), contents(undisturbed))


def test_a_rewritten_best_checkpoint_is_kept(tmp_path):
    """A resumed run may validate an epoch again. Files of other runs are kept too."""
    hook = SafeCheckpointHook(save_best='accuracy')
    hook.out_dir, hook.file_backend = str(tmp_path), SafeLocalBackend()
    names = ('run/best.pth', 'best_epoch_1.pth', 'epoch_1.pth')
    for name in names:
        hook.file_backend.put(b'x', tmp_path / name)
        hook.file_backend.remove(tmp_path / name)
    hook.best_ckpt_path = str(tmp_path / 'best_epoch_1.pth')
    hook._remove_obsolete()
    assert [(tmp_path / name).exists() for name in names] == [True, True, False]
