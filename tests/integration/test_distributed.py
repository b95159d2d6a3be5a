"""Two processes on the CPU, started by the scripts known from OpenMMLab."""

import json
import os
import pickle
import re
import select
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from commands import find_rank, free_port, start_wrn, wait_for
from ranks import restarted, run_in_two

from wrn.checkpoints import read_checkpoint
from wrn_base import model_index

DIGITS = 'configs/wrn/wide-resnet16-2_1xb64_digits.py'

pytestmark = pytest.mark.slow


@pytest.fixture
def env(monkeypatch):
    port = str(free_port())
    monkeypatch.setenv('PORT', port)
    monkeypatch.setenv('MASTER_PORT', port)
    monkeypatch.setenv('MASTER_ADDR', '127.0.0.1')


def top1(output):
    return re.findall(r'^ accuracy +(.* % \(.* of .*\))', output, re.MULTILINE)[-1]


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """Write a config with 92 images per epoch, in updates of 16."""
    path = tmp_path_factory.mktemp('config') / 'small.py'
    path.write_text(f"""
_base_ = ['{model_index.root()}/{DIGITS}']
model = dict(backbone=dict(depth=10, widen_factor=1), head=dict(in_channels=64))
train_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(indices=92))
val_dataloader = dict(dataset=dict(indices=65))
default_hooks = dict(checkpoint=dict(interval=4, by_epoch=False, max_keep_ckpts=3),
                     logger=dict(interval=1))
optim_wrapper = dict(optimizer=dict(lr=0.02))
train_cfg = dict(max_epochs=3, val_interval=3)
randomness = dict(seed=3, deterministic=True)
""")
    return path


@pytest.fixture
def two(run, tmp_path, checkout, env, config):
    """Return the folder of a run of two processes."""
    tools = checkout / 'tools'
    result = run('bash', tools / 'dist_train.sh', config, 2, '--work-dir', tmp_path / 'two')
    assert result.stderr.count('\nepoch 3/3  loss ') == 1  # one process reports
    return tmp_path / 'two'


def start_job(checkout, config, work_dir, monkeypatch):
    """Start two processes, with one restart after a failure; return the job and its output."""
    monkeypatch.setenv('MAX_RESTARTS', '1')
    command = ['bash', checkout / 'tools' / 'dist_train.sh', config, '2', '--work-dir', work_dir]
    path = work_dir.with_suffix('.output')
    with path.open('w') as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT), path


@pytest.mark.ci
def test_two_processes_train_like_one_even_after_one_is_killed(
    run, tmp_path, checkout, env, config, two, monkeypatch
):
    one = tmp_path / 'one'
    settings = ['--cfg-options', 'optim_wrapper.accumulative_counts=2']
    settings += ['default_hooks.checkpoint.interval=8']
    run('wrn', 'train', config, '--work-dir', one, *settings)
    weights = [
        read_checkpoint(last)['state_dict'] for last in (two / 'iter_18.pth', one / 'iter_36.pth')
    ]
    for name in weights[0]:
        # Sums of gradients are rounded in another order. Running statistics differ: the first of
        # two processes sees every second batch, but a single process sees all.
        if 'running_' not in name and 'num_batches' not in name:
            torch.testing.assert_close(weights[0][name], weights[1][name], rtol=1e-4, atol=1e-6)

    killed = tmp_path / 'killed'
    killed.mkdir()
    shutil.copy(
        two / 'iter_18.pth', killed / 'old.pth'
    )  # from another run: a restart must not use it
    job, output = start_job(checkout, config, killed, monkeypatch)
    wait_for((killed / 'iter_8.pth').exists)
    os.kill(find_rank(run, 1, f'train.py.*{killed}'), signal.SIGKILL)
    assert job.wait(120) == 0
    text = output.read_text()
    assert re.search(rf'wrn: resuming from {killed}/iter_\d+.pth, ', text)
    states = [read_checkpoint(folder / 'iter_18.pth')['state_dict'] for folder in (killed, two)]
    torch.testing.assert_close(*states, rtol=0, atol=0)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere.py', 1], 'wrn: error: nowhere.py: no such config file'),
        (['nowhere.py', 'two'], 'torchrun: error: '),
    ],
)
def test_errors_are_one_line_under_torchrun(run, checkout, env, arguments, message):
    result = run('bash', checkout / 'tools' / 'dist_train.sh', *arguments, code=1)
    assert message in result.stderr
    assert 'Traceback' not in result.stderr


def test_a_restart_is_detected_on_all_nodes():
    """torchrun's agents do not count restarts that are due to other nodes."""
    assert run_in_two(restarted, [1, 0]) == [True, True]
    assert run_in_two(restarted, [0, 0]) == [False, False]


@pytest.mark.ci
@pytest.mark.parametrize('signalled', ['torchrun', 'a process'])
def test_a_stopped_job_reports_it(run, tmp_path, checkout, env, config, monkeypatch, signalled):
    """And torchrun does not restart it."""
    work_dir = tmp_path / 'run'
    job, output = start_job(checkout, config, work_dir, monkeypatch)
    wait_for((work_dir / 'iter_4.pth').exists)
    rank = find_rank(run, 1, f'train.py.*{work_dir}')
    os.kill(job.pid if signalled == 'torchrun' else rank, signal.SIGTERM)
    assert job.wait(120) == os.EX_TEMPFAIL
    assert (work_dir / 'last_checkpoint').read_text() == str(work_dir / 'stopped.pth')
    assert len(list(work_dir.glob('2*'))) == 1
    text = output.read_text()
    assert text.count('wrn: stopped by SIGTERM in epoch') == 2
    assert 'Traceback' not in text


@pytest.mark.ci
def test_no_process_ends_before_the_checkpoint_is_complete(tmp_path, env, config, monkeypatch):
    """The launcher kills the others when one ends, and that one would report a false success."""
    work_dir = tmp_path / 'run'
    work_dir.mkdir()
    os.mkfifo(work_dir / 'stopped.pth')
    pipe = os.open(work_dir / 'stopped.pth', os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setenv('WORLD_SIZE', '2')
    words = ['train', config, '--work-dir', work_dir, '--launcher', 'pytorch']
    ranks = []
    for rank in '01':
        monkeypatch.setenv('RANK', rank)
        monkeypatch.setenv('LOCAL_RANK', rank)
        output = (Path(os.devnull), tmp_path / f'stderr_{rank}')
        ranks.append(start_wrn([str(word) for word in words], output))
    wait_for((work_dir / 'iter_4.pth').exists, ranks[0].is_alive)
    ranks[1].terminate()
    assert select.select([pipe], [], [], 120)[0]  # the first process writes to it now
    ranks[0].kill()
    ranks[1].join(120)
    os.close(pipe)
    assert ranks[1].exitcode == 1
    line = (tmp_path / 'stderr_1').read_text().splitlines()[-1]
    assert line.startswith('wrn: error: another process of the job has ended')


@pytest.mark.ci
@pytest.mark.parametrize('images', [1, 65])
def test_two_processes_test_like_one(run, tmp_path, checkout, env, digits_weights, images):
    options = [
        '--work-dir',
        tmp_path,
        '--cfg-options',
        f'test_dataloader.dataset.indices={images}',
    ]
    options += ['test_dataloader.batch_size=8']
    tools = checkout / 'tools'
    results = []
    for command in (
        ('bash', tools / 'dist_test.sh', DIGITS, digits_weights, 2),
        ('wrn', 'test', DIGITS, digits_weights),
    ):
        out, report = tmp_path / f'{len(results)}.pkl', tmp_path / f'report_{len(results)}'
        tested = run(*command, '--out', out, '--report', report, *options)
        predictions = pickle.loads(out.read_bytes())
        assert len(predictions) == images
        assert tested.stdout.count('wrote ') == 1
        tables = [(report / name).read_text() for name in ('classes.csv', 'confusion.csv')]
        metrics = json.loads((report / 'report.json').read_text())['metrics']
        results.append((top1(tested.stdout), tables, metrics, predictions))
    (*two, two_metrics, two_predictions), (*one, one_metrics, one_predictions) = results
    assert two == one
    # Other batches are added up in another order.
    assert two_metrics == pytest.approx(one_metrics, rel=1e-4)
    for of_two, of_one in zip(two_predictions, one_predictions, strict=True):
        assert of_two['gt_label'] == of_one['gt_label']
        torch.testing.assert_close(of_two['pred_score'], of_one['pred_score'], rtol=1e-5, atol=1e-7)


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
    run('wrn', 'test', DIGITS, digits_weights, '--launcher', launcher, '--work-dir', tmp_path)
    (log,) = tmp_path.glob('*/*.log')
    assert 'Distributed launcher: ' + launcher in log.read_text()


def test_slurm_scripts_call_srun(run, tmp_path, checkout, monkeypatch):
    """A stand-in for srun prints its arguments."""
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
def test_scripts_without_arguments_print_their_usage(run, checkout, script):
    result = run('bash', checkout / 'tools' / f'{script}.sh', code=None)
    assert result.returncode != 0
    assert 'usage: ' in result.stderr
