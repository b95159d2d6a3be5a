"""Two processes on the CPU, through the scripts that people know from OpenMMLab."""

import re
import socket

import pytest

DIGITS = 'configs/wrn/wide-resnet16-2_1xb64_digits.py'

pytestmark = pytest.mark.slow


@pytest.fixture
def env(monkeypatch):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    monkeypatch.setenv('PORT', port)
    monkeypatch.setenv('MASTER_PORT', port)
    monkeypatch.setenv('MASTER_ADDR', '127.0.0.1')


def top1(output):
    return re.findall(r'accuracy/top1: ([\d.]+)', output)[-1]


def test_train_and_test_with_two_processes(run, tmp_path, checkout, env, digits_weights):
    tools = checkout / 'tools'
    trained = run(
        'bash', tools / 'dist_train.sh', DIGITS, 2, '--work-dir', tmp_path, '--no-validate',
        '--cfg-options', 'train_cfg.max_epochs=1', 'default_hooks.logger.interval=1',
        'default_hooks.checkpoint.interval=1', 'train_dataloader.dataset.indices=400',
    )  # fmt: skip
    # 400 pictures in two processes of 64 each.
    assert 'Epoch(train) [1][4/4]' in trained.stdout
    assert (tmp_path / 'epoch_1.pth').exists()
    tested = run('bash', tools / 'dist_test.sh', DIGITS, digits_weights, 2, '--work-dir', tmp_path)
    alone = run('wrn', 'test', DIGITS, digits_weights, '--work-dir', tmp_path)
    assert top1(tested.stdout) == top1(alone.stdout)


@pytest.mark.parametrize(
    ('launcher', 'variables'),
    [
        ('slurm', dict(SLURM_PROCID='0', SLURM_NTASKS='1', SLURM_LOCALID='0', SLURM_NODELIST='n1')),
        (
            'mpi',
            dict(
                OMPI_COMM_WORLD_RANK='0', OMPI_COMM_WORLD_SIZE='1', OMPI_COMM_WORLD_LOCAL_RANK='0'
            ),
        ),
    ],
)
def test_slurm_and_mpi(run, tmp_path, env, monkeypatch, digits_weights, launcher, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = run(
        'wrn', 'test', DIGITS, digits_weights, '--launcher', launcher, '--work-dir', tmp_path
    )  # fmt: skip
    assert 'Distributed launcher: ' + launcher in result.stdout


def test_slurm_scripts_call_srun(run, tmp_path, checkout, monkeypatch):
    """srun stands in for itself and prints what it was asked for."""
    srun = tmp_path / 'srun'
    srun.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path), prepend=':')
    monkeypatch.setenv('GPUS', '16')
    monkeypatch.setenv('SRUN_ARGS', '--time=10 --qos=low')
    train = run('bash', checkout / 'tools/slurm_train.sh', 'part', 'job', 'c.py', 'dir x', '--amp')
    words = train.stdout.splitlines()
    assert {'-p', 'part', '--job-name=job', '--ntasks=16', '--gres=gpu:8', '--qos=low'} <= {*words}
    assert words[-4:] == ['c.py', '--work-dir=dir x', '--launcher=slurm', '--amp']
    test = run('bash', checkout / 'tools/slurm_test.sh', 'part', 'job', 'c.py', 'w.pth', '--tta')
    assert test.stdout.splitlines()[-4:] == ['c.py', 'w.pth', '--launcher=slurm', '--tta']


@pytest.mark.parametrize('script', ['dist_train', 'dist_test', 'slurm_train', 'slurm_test'])
def test_scripts_without_arguments_say_their_usage(run, checkout, script):
    result = run('bash', checkout / 'tools' / f'{script}.sh', code=None)
    assert result.returncode != 0
    assert 'usage: ' in result.stderr
