"""Ctrl-C ends a command with one line, which says where it stands, and exit status 130."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from commands import start_wrn, wait_for
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from small_run import write_config, write_data

import wrn.training.finetune
from wrn.checkpoints import read_checkpoint
from wrn.training.hooks.safe_checkpoints import SafeCheckpointHook
from wrn.training.hooks.termination import describe_position
from wrn.training.run_files import find_last
from wrn_base.interrupt import exit_at_interrupt


@pytest.mark.parametrize('library', ['libtorch_cpu', 'cv2'])
def test_while_starting(library):
    command = [Path(sys.executable).with_name('wrn'), 'overfit', 'none.py']
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    maps = Path('/proc', str(process.pid), 'maps')
    wait_for(lambda: library in maps.read_text(), lambda: process.poll() is None)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error == ('wrn: starting\nwrn: stopped while starting; run the same command again\n')


def test_sigterm_while_starting():
    command = [Path(sys.executable).with_name('wrn'), 'finetune', 'none']
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    maps = Path('/proc', str(process.pid), 'maps')
    wait_for(lambda: 'libtorch_cpu' in maps.read_text(), lambda: process.poll() is None)
    process.terminate()
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert error.splitlines()[-1] == 'wrn: stopped by SIGTERM; run the same command again'


def test_a_handler_of_the_caller_stays(monkeypatch):
    calls = []
    previous = signal.signal(signal.SIGINT, lambda *_: calls.append(1))
    try:
        with exit_at_interrupt():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert calls == [1]


IN_FORK = """
import multiprocessing, os, signal, time
os.register_at_fork(before=lambda: signal.raise_signal(signal.SIGINT))
def run():
    multiprocessing.get_context('fork').Process(target=int).start()
"""
IN_FINALIZER = """
import signal, time
class Owner:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
run = Owner
"""
IN_CALLBACK = """
import signal, time, weakref
class Owner:
    pass
def run():
    owner = Owner()
    reference = weakref.ref(owner, lambda _: signal.raise_signal(signal.SIGINT))
    del owner
"""


@pytest.mark.parametrize('place', [IN_FORK, IN_FINALIZER, IN_CALLBACK])
def test_it_is_not_lost(place):
    """Where Python prints exceptions and continues."""
    script = f"""{place}
from wrn_base.interrupt import raise_at_interrupt
with raise_at_interrupt():
    run()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print('seen')
"""
    result = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, timeout=30
    )
    assert (result.stdout, result.stderr) == ('seen\n', '')


def interrupt(process, tmp_path):
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 130
    *_, line = (tmp_path / 'stderr').read_text().splitlines()
    assert 'Traceback' not in (tmp_path / 'stderr').read_text()
    return line


def test_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_data('.', 8)
    write_config('small.py', 'train_cfg["max_epochs"] = 1000\n')
    words = ['train', 'small.py', '--work-dir', 'run']
    process = start_wrn(words, (tmp_path / 'stdout', tmp_path / 'stderr'), tmp_path)
    wait_for((tmp_path / 'run' / 'epoch_2.pth').exists, process.is_alive)
    mark = tmp_path / 'run' / 'last_checkpoint'  # it is written after the checkpoint
    wait_for(lambda: mark.read_text().endswith('.pth'), process.is_alive)
    line = interrupt(process, tmp_path)
    assert re.match('wrn: stopped (in|after) epoch ', line)
    assert line.endswith('.pth is intact: run again with --resume')
    path = line.partition('; ')[2].partition(' is intact')[0]
    assert read_checkpoint(path)['meta']['epoch'] >= 1


def test_stopped_while_it_names_its_checkpoint(tmp_path, monkeypatch):
    def write(self, runner, step, meta):
        self.last_ckpt = str(tmp_path / 'epoch_2.pth')
        Path(self.last_ckpt).touch()
        (tmp_path / 'last_checkpoint').write_text('')  # what mmengine does first
        raise KeyboardInterrupt

    monkeypatch.setattr(CheckpointHook, '_save_checkpoint_with_step', write)
    with pytest.raises(KeyboardInterrupt):
        SafeCheckpointHook()._save_checkpoint_with_step(SimpleNamespace(work_dir=tmp_path), 2, {})
    assert find_last(tmp_path) == tmp_path / 'epoch_2.pth'


@pytest.mark.parametrize(
    ('loop', 'epoch', 'iteration', 'expected'),
    [
        (EpochBasedTrainLoop, 0, 0, 'before the first iteration'),
        (EpochBasedTrainLoop, 1, 7, 'in epoch 2, after iteration 7 in total'),
        (EpochBasedTrainLoop, 3, 12, 'after epoch 3, after iteration 12 in total'),
        (IterBasedTrainLoop, 0, 7, 'after iteration 7 in total'),
        (dict, 0, 0, 'before the first iteration'),  # its images are still being listed
    ],
)
def test_the_position_is_true(tmp_path, loop, epoch, iteration, expected):
    loop = loop() if loop is dict else Mock(spec=loop, epoch=epoch, iter=iteration)
    runner = SimpleNamespace(_train_loop=loop, train_loop=loop, train_dataloader=range(4))
    runner.work_dir, runner._resume = str(tmp_path), False
    saved = 'no checkpoint is written yet: run the same command again'
    assert describe_position(runner) == f'stopped {expected}; {saved}'
    path = tmp_path / 'epoch_1.pth'
    path.touch()
    for content, saved in (('', ''), ('/moved/epoch_1.pth', f'{path} is intact: ')):
        (tmp_path / 'last_checkpoint').write_text(content)
        assert describe_position(runner) == f'stopped {expected}; {saved}run again with --resume'


@pytest.mark.parametrize(
    ('resume', 'age', 'cure'),
    [
        (False, -1, 'no checkpoint is written yet: run the same command again'),
        (False, 1, 'epoch_1.pth is intact: run again with --resume'),
        (True, -1, 'epoch_1.pth is intact: run again with --resume'),
    ],
)
def test_the_checkpoints_of_the_run_that_is_replaced_are_not_named(
    tmp_path, monkeypatch, resume, age, cure
):
    """They are there until the first step, and --resume would complete that run."""
    monkeypatch.chdir(tmp_path)
    for name in ('epoch_1.pth', 'last_checkpoint', '.started'):
        Path(name).write_text('epoch_1.pth')
    os.utime('.started', (1000, 1000))
    os.utime('last_checkpoint', (1000 + age, 1000 + age))
    runner = SimpleNamespace(_train_loop=None, work_dir='.', _resume=resume)
    assert describe_position(runner) == f'stopped before the first iteration; {cure}'


@pytest.mark.parametrize(
    ('part', 'message'),
    [('train', ''), ('barrier', 'stopped after training; run again with --resume')],
)
def test_fine_tuning_says_whether_it_has_trained(tmp_path, monkeypatch, part, message):
    """Without a message of the run, the command says to run it again."""
    for name in ('train', 'barrier'):
        effect = KeyboardInterrupt if name == part else None
        monkeypatch.setattr(wrn.training.finetune, name, Mock(side_effect=effect))
    cfg = Config(dict(work_dir='x'), cfg_text='x', filename='x.py')
    with pytest.raises(KeyboardInterrupt) as stopped:
        wrn.training.finetune.finetune(cfg, 'x', Mock())
    assert str(stopped.value) == message


def test_predicting(tmp_path, checkout, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('list.txt').write_text(f'{checkout}/demo/digit_3.png\n' * 50_000)
    words = ['predict', 'list.txt', '--out', 'out.csv', '--batch-size', '1', '--workers', '0']
    process = start_wrn(words, (tmp_path / 'stdout', tmp_path / 'stderr'), tmp_path)
    partial = Path('out.csv.partial')
    wait_for(lambda: partial.exists() and len(partial.read_bytes().splitlines()) > 2)
    line = interrupt(process, tmp_path)
    assert re.fullmatch(r'wrn: stopped after \d+ images; run the same command to resume', line)
