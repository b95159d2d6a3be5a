"""`wrn train` with the options that everybody knows."""

import json
import re
import shutil
import signal
from pathlib import Path

import pytest
import torch
from commands import start_wrn, wait_for
from small_run import write_classes, write_config

from wrn.checkpoints import read_checkpoint

OPTIONS = ('--epochs', 12, '--patience', 2, '--batch-size', 4, '--seed', 5, '--workers', 0)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Images of three classes, and a config that trains on them for four epochs."""
    folder = tmp_path_factory.mktemp('run')
    for split, number in (('train', 8), ('val', 12)):
        write_classes(folder / f'data/{split}', ['ape', 'bee', 'cat'], number)
    write_config(folder / 'small.py', 'randomness = dict(seed=0, deterministic=True)\n')
    return folder


@pytest.fixture
def train(run, folder):
    def train(name, *options, **kwargs):
        words = ('wrn', 'train', 'small.py', '--work-dir', name, '--device', 'cpu')
        return run(*words, *options, cwd=folder, **kwargs)

    return train


@pytest.fixture(scope='module')
def undisturbed(folder):
    """The work folder of a run that stops early."""
    process = start_wrn(words('whole'), (folder / 'stdout', folder / 'stderr'), folder)
    process.join(120)
    assert process.exitcode == 0, (folder / 'stderr').read_text()
    return folder / 'whole'


def words(name, *more):
    start = ('train', 'small.py', '--work-dir', name, '--device', 'cpu')
    return [*map(str, (*start, *OPTIONS, *more))]


def last_epoch(work_dir):
    return max(int(path.stem.removeprefix('epoch_')) for path in work_dir.glob('epoch_*.pth'))


def scalars(work_dir, key):
    log = max(work_dir.glob('*/vis_data/scalars.json'))
    lines = map(json.loads, log.read_text().splitlines())
    return [line[key] for line in lines if key in line]


@pytest.mark.slow
def test_a_run_stops_when_validation_no_longer_improves(undisturbed, folder):
    last = last_epoch(undisturbed)
    assert last < 12
    accuracies = scalars(undisturbed, 'accuracy/top1')
    assert len(accuracies) == last
    best = max(accuracies[:-2])
    assert max(accuracies[-2:]) <= best == accuracies[-3]
    error = (folder / 'stderr').read_text()
    text = f'{best:.1f} % for 2 validations'
    assert f'wrn: stopping after epoch {last} of 12: accuracy is no better than {text}\n' in error
    assert re.findall(r'left$', error, re.MULTILINE)
    assert not re.search(rf'epoch +{last}/12 .* left$', error, re.MULTILINE)
    assert 'wrn: --epochs 12: the schedule of 4 epochs is scaled to 12\n' in error
    text = 'learning rate 0.05 to 0.025, for 4 images per update instead of 8; --lr sets it\n'
    assert f'wrn: {text}' in error
    assert len([*undisturbed.glob('best_*.pth')]) == 1
    assert scalars(undisturbed, 'lr')[0] == pytest.approx(0.025)
    assert read_checkpoint(undisturbed / 'epoch_1.pth')['meta']['seed'] == 5


@pytest.mark.slow
def test_a_killed_and_resumed_run_stops_at_the_same_epoch(undisturbed, folder, tmp_path):
    """It is killed after its first epoch, and again just before it would stop."""
    work_dir = tmp_path / 'killed'
    last = last_epoch(undisturbed)
    for epoch in (1, last - 1):
        process = start_wrn(words(work_dir, '--resume'), (tmp_path / 'o', tmp_path / 'e'), folder)
        wait_for((work_dir / f'epoch_{epoch}.pth').exists, process.is_alive)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    process = start_wrn(words(work_dir, '--resume'), (tmp_path / 'o', tmp_path / 'e'), folder)
    process.join(120)
    assert f'stopping after epoch {last} of 12' in (tmp_path / 'e').read_text()
    assert last_epoch(work_dir) == last
    resumed, whole = (
        read_checkpoint(path / f'epoch_{last}.pth') for path in (work_dir, undisturbed)
    )
    for name, value in whole['state_dict'].items():
        torch.testing.assert_close(resumed['state_dict'][name], value, rtol=0, atol=0)
    best = [next(path.glob('best_*.pth')).name for path in (work_dir, undisturbed)]
    assert best[0] == best[1]


@pytest.mark.slow
def test_more_patience_resumes_a_run_that_has_stopped(undisturbed, train, tmp_path):
    last = last_epoch(undisturbed)
    shutil.copytree(undisturbed, tmp_path / 'more')
    result = train(tmp_path / 'more', *OPTIONS, '--patience', 30, '--resume')
    assert last_epoch(tmp_path / 'more') == 12 > last
    assert 'stopping after' not in result.stderr
    assert 'resumed with a patience of 30 validations, not 2' in result.stderr


def test_an_explicit_rate(train, folder):
    result = train('rate', '--lr', 0.02, '--batch-size', 4, '--epochs', 1, '--workers', 0)
    assert scalars(folder / 'rate', 'lr')[0] == pytest.approx(0.02)
    assert 'learning rate' not in result.stderr
    assert last_epoch(folder / 'rate') == 1


def test_mistakes_are_reported_before_the_run(fails, folder, monkeypatch):
    monkeypatch.chdir(folder)
    words = ('train', 'small.py', '--work-dir', 'none')
    assert '--epochs 0: must be at least 1' in fails(*words, '--epochs', 0)
    assert '--lr 0: must be a number above 0' in fails(*words, '--lr', 0)
    assert '--workers -1: must be at least 0' in fails(*words, '--workers', -1)
    error = fails(*words, '--lr', 1, '--auto-scale-lr')
    assert '--lr 1: is never scaled; leave out --auto-scale-lr, or --lr' in error
    assert '--patience 3: the run has no validation' in fails(
        *words, '--patience', 3, '--no-validate'
    )
    error = fails(*words, '--device', 'cuda:77')
    assert error.startswith('wrn: error: --device cuda:77: unavailable (')
    assert not list(Path('none').glob('*.pth'))
