"""A run replaces another one only with ``--overwrite``, and only once it has begun."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from commands import run_wrn
from filelock import FileLock
from small_run import write_config, write_data

import wrn
from wrn.config.config_file import read_config

SENTENCE = (
    'run/epoch_1.pth: exists; add --overwrite to replace it, --resume to complete its run, or '
    'choose another path'
)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """A run of two epochs."""
    folder = tmp_path_factory.mktemp('made')
    write_data(folder, 4)
    write_config(folder / 'small.py', 'train_cfg["max_epochs"] = 2\n')
    done = run_wrn(['train', 'small.py', '--work-dir', 'run'], 120, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(autouse=True)
def copied(made, tmp_path, monkeypatch):
    """A copy of it, with the times of its files, in the current folder."""
    folder = tmp_path / 'copied'
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


def checkpoints():
    return {path.name: path.stat().st_mtime_ns for path in Path('run').glob('*.pth')}


def train(*options, epochs=1, **environment):
    words = ['train', 'small.py', '--work-dir', 'run', '--verbose', *options]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        done = run_wrn([*words, '--cfg-options', f'train_cfg.max_epochs={epochs}'], 120)
    assert 'Traceback' not in done.stderr
    return done


def last_line(done):
    return done.stderr.splitlines()[-1]


RESTARTED = dict(TORCHELASTIC_RESTART_COUNT='1')


def test_a_run_is_refused_and_replaced():
    before = checkpoints()
    done = train()
    assert (done.returncode, last_line(done)) == (1, f'wrn: error: {SENTENCE}')
    assert checkpoints() == before
    done = train('--overwrite')
    assert done.returncode == 0, done.stderr
    assert [*checkpoints()] == ['epoch_1.pth']  # the second epoch was the other run's
    assert checkpoints()['epoch_1.pth'] > before['epoch_2.pth']
    assert Path('run/last_checkpoint').read_text().endswith('run/epoch_1.pth')


@pytest.mark.parametrize('place', ['small.py', 'link.py'])
def test_the_config_is_not_replaced_by_its_copy(copied, place):
    """The copy has the options, but neither the comments nor ``_base_``."""
    text = Path('small.py').read_text()
    Path('link.py').symlink_to('small.py')
    words = ['train', place, '--work-dir', '.', '--epochs', '1']
    for again in ([], ['--overwrite']):
        done = run_wrn([*words, *again], 120)
        assert done.returncode == 0, done.stderr
        assert Path('small.py').read_text() == text
        assert read_config(f'run_{place}').train_cfg.max_epochs == 1


def test_the_name_of_the_last_checkpoint_is_enough(fails):
    for path in Path('run').glob('*.pth'):
        path.unlink()
    error = fails('train', 'small.py', '--work-dir', 'run')
    assert 'run/last_checkpoint: exists; add --overwrite' in error


def test_a_mistake_costs_no_results():
    before = checkpoints()
    shutil.rmtree('data/train/cat')
    done = train('--overwrite')
    assert done.returncode == 1
    assert 'has 2 class folders' in done.stderr
    assert checkpoints() == before


def test_a_run_that_failed_before_its_first_checkpoint_is_started_again():
    for path in [*Path('run').glob('*.pth'), Path('run/last_checkpoint')]:
        path.unlink()
    assert Path('run/.started').exists()
    assert train().returncode == 0


def test_both_options():
    done = train('--overwrite', '--resume')
    assert last_line(done) == (
        'wrn: error: --resume and --overwrite: exclude each other; give one of them'
    )


def test_workers_that_torchrun_restarts_go_on():
    """With the mark of this job's start, they resume from its checkpoints."""
    done = train(epochs=3, **RESTARTED)
    assert done.returncode == 0, done.stderr
    assert 'resumed epoch: 2' in done.stdout


def test_workers_of_a_job_that_was_refused_do_not_resume_the_other_run():
    before = checkpoints()
    for environment in ({}, RESTARTED, RESTARTED):
        assert last_line(train(epochs=3, **environment)) == f'wrn: error: {SENTENCE}'
    assert checkpoints() == before


def test_workers_that_torchrun_restarts_after_overwriting():
    """They resume from their own checkpoints, and not from those that they replace."""
    Path('run/.started').touch()  # the job had started, and failed before its first step
    done = train('--overwrite', **RESTARTED)
    assert done.returncode == 0, done.stderr
    assert 'resumed epoch' not in done.stdout
    assert [*checkpoints()] == ['epoch_1.pth']
    done = train('--overwrite', epochs=2, **RESTARTED)
    assert 'resumed epoch: 1' in done.stdout
    assert sorted(checkpoints()) == ['epoch_1.pth', 'epoch_2.pth']


def test_fine_tuning(fails, copied):
    torch.save(dict(state_dict=wrn.get_model('small.py').state_dict()), 'w.pth')
    words = ['finetune', 'data', '--model', 'small.py', '--checkpoint', 'w.pth', '--epochs', '1']

    def finetune(*options):
        done = run_wrn([*words, *options], 120)
        assert done.returncode == 0, done.stderr
        (weights,) = Path('work_dirs/data').glob('*.pth')
        return weights

    first = finetune()
    report = Path('work_dirs/data/report/report.json')
    written = report.stat().st_mtime_ns
    error = fails(*words)
    assert f'{first}: exists; add --overwrite to replace it, or choose another path' in error
    os.utime(first, (0, 0))
    last = finetune('--overwrite', '--cfg-options', 'optim_wrapper.optimizer.lr=0.3')
    assert last.stat().st_mtime > 0
    assert last != first
    assert report.stat().st_mtime_ns > written
    assert not list(Path('work_dirs/data/run').glob('*.pth'))
    assert f'{last}: exists' in fails(*words)


@pytest.mark.parametrize('option', ['--overwrite', '--resume', '--verbose'])
def test_a_run_that_is_still_writing_is_left_alone(option, fails):
    before = checkpoints()
    with FileLock('run/.lock'):
        error = fails('train', 'small.py', '--work-dir', 'run', option)
    assert 'error: run: another run is writing to it; wait until it ends, or use another -' in error
    assert checkpoints() == before


@pytest.mark.parametrize('options', [['--overwrite'], ['--resume'], ['--head-only']])
def test_fine_tuning_that_is_still_writing_is_left_alone(options, fails):
    Path('tuned/run').mkdir(parents=True)
    Path('tuned/run/last_checkpoint').touch()
    words = ['finetune', 'data', '--model', 'wide-resnet16-2_1xb64_digits', '--work-dir', 'tuned']
    with FileLock('tuned/.lock'):
        error = fails(*words, *options)
    assert 'error: tuned: another run is writing to it; wait until it ends, or use' in error
    assert {path.name for path in Path('tuned').iterdir()} == {'.lock', 'run'}
