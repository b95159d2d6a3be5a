"""`wrn finetune`: from a folder of images to weights for `wrn predict` and a report."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
import torch
from commands import find_rank, free_port, start_wrn, wait_for
from mmengine.dataset import Compose, default_collate
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS, TRANSFORMS
from PIL import Image
from sklearn.datasets import load_digits

import wrn
from wrn.checkpoints import read_checkpoint
from wrn.data.splitting import find_splits
from wrn.training import make_finetune_config
from wrn.training.stretch_schedule import stretch_schedule
from wrn.zoo.resolve import resolve

DIGITS = 'wide-resnet16-2_1xb64_digits'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Digits in ten class folders. Their names differ from the classes of the weights."""
    root = tmp_path_factory.mktemp('data') / 'digits'
    images, labels = load_digits(return_X_y=True)
    for label in range(10):
        folder = root / f'is {label}'
        folder.mkdir(parents=True)
        for i, image in enumerate(images[labels == label][:20]):
            pixels = (image.reshape(8, 8) * 255 / 16).round().astype(np.uint8)
            Image.fromarray(pixels).save(folder / f'{i}.png')
    return root


def only(paths):
    (path,) = paths
    return path


@pytest.mark.slow
def test_finetune_test_and_predict(run, tmp_path, data, digits_weights):
    command = ('wrn', 'finetune', data, '--model', DIGITS, '--epochs', 6, '--freeze', 2)
    folder = tmp_path / 'work_dirs' / 'digits'
    folder.mkdir(parents=True)
    (folder / 'best_model.pth').write_text('not from this run')
    result = run(*command, cwd=tmp_path)
    assert 'wrn: val: 40 images, drawn from each class\n' in result.stderr
    # Although it has the same number of classes. This is what the run is for.
    log = only((folder / 'run').glob('*/*.log')).read_text()
    assert 'the head is new: ' in log
    assert 'the head is new' not in result.stderr
    for run_folder in ('run', 'run/test'):  # mmengine's log is in the file only
        log = only((folder / run_folder).glob('*/*.log'))
        for part in ('System environment:', 'Config:', 'before_run:'):
            assert part in log.read_text()
            assert part not in result.stdout + result.stderr
    assert 'wrn: the log is in work_dirs/digits/run/' in result.stderr
    assert 'paramwise_options -- backbone.' in only((folder / 'run').glob('*/*.log')).read_text()
    assert 'paramwise_options' not in result.stdout + result.stderr
    assert (folder / 'best_model.pth').exists()
    weights = only(folder.glob('digits-*.pth'))
    assert re.fullmatch(r'digits-[0-9a-f]{8}\.pth', weights.name)
    assert f'--model {weights.relative_to(tmp_path)}' in result.stdout

    # Frozen weights are unchanged, including running statistics. All others have changed.
    before, after = (read_checkpoint(path)['state_dict'] for path in (digits_weights, weights))
    for name in before:
        frozen = name.startswith(('backbone.conv1', 'backbone.layer1', 'backbone.layer2'))
        assert torch.equal(before[name], after[name]) == frozen, name

    # The report is that of the published weights.
    report = folder / 'report'
    assert {path.name for path in report.iterdir()} == {
        'index.html', 'report.json', 'classes.csv', 'confusion.csv', 'confusion.png', 'curves.png',
        'calibration.png',
    }  # fmt: skip
    figures = json.loads((report / 'report.json').read_text())
    accuracy = figures['metrics']['accuracy/top1']
    assert accuracy > 80  # pretrained on digits; chance is 10
    # The curve of the loss has what the command prints after each epoch, and that of validation.
    (loss,) = (chart for chart in figures['charts'] if chart['title'] == 'loss')
    drawn, validation = loss['lines']
    printed = re.findall(r'epoch \d/6 .*loss ([\d.]+)', result.stdout + result.stderr)
    assert [f'{value:.4g}' for value in drawn['y']] == [f'{float(v):.4g}' for v in printed]
    assert validation['name'] == 'validation'
    assert len(validation['y']) == 6
    images = [line.rsplit(' ', 1)[0] for line in (folder / 'test.txt').read_text().splitlines()]
    predictions = wrn.inference_model(weights, [data / path for path in images], batch_size=8)
    correct = [p['pred_class'] == path.split('/')[0] for p, path in zip(predictions, images, strict=True)]  # fmt: skip
    assert 100 * sum(correct) / len(correct) == pytest.approx(accuracy)
    with (report / 'classes.csv').open() as file:
        assert [row['class'] for row in csv.DictReader(file)] == [f'is {i}' for i in range(10)]
    assert Image.open(report / 'curves.png').width > 1000

    shown = run('wrn', 'predict', data / 'is 3' / '0.png', '--topk', 1, '--model', weights)
    assert re.search(r'is \d +\d', shown.stdout)
    # The config of the run, with the pretrained weights as its start, also tests the file.
    config = folder / 'run' / 'digits.py'
    assert wrn.config.config_file.read_config(config).load_from == digits_weights
    tested = run('wrn', 'test', config, weights, cwd=tmp_path)
    assert re.search(rf' accuracy +{accuracy:.1f} % \(', tested.stdout)
    assert not list(folder.glob('run/*.pth'))
    again = run(*command, '--resume', cwd=tmp_path)
    assert f'nothing left to do: {weights.relative_to(tmp_path)} exists' in again.stderr
    other = run(*command, cwd=tmp_path, code=1)
    assert f'{weights.relative_to(tmp_path)}: exists; add --overwrite to replace it' in other.stderr


@pytest.mark.slow
def test_a_killed_and_resumed_run_writes_the_same_file(run, fails, tmp_path, data):
    words = ['finetune', str(data), '--model', DIGITS, '--epochs', '3']
    whole = run(
        'wrn', *words, '--work-dir', tmp_path / 'whole', '--resume'
    )  # without a run to resume
    assert 'no checkpoint to resume from; starting a new run' in whole.stderr
    process = start_wrn(
        [*words, '--work-dir', str(tmp_path / 'killed')], (tmp_path / 'o', tmp_path / 'e')
    )
    wait_for((tmp_path / 'killed' / 'run' / 'last_checkpoint').exists, process.is_alive)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not list(tmp_path.glob('killed/digits-*.pth'))
    killed = (*words, '--work-dir', tmp_path / 'killed')
    assert 'killed/run: exists; add --overwrite to replace it, --resume to' in fails(*killed)
    other = fails(*killed, '--resume', '--seed', 1)
    assert 'the run to resume had different images, --seed, --groups or' in other
    other = fails(*words[:-1], 4, *killed[-2:], '--resume')
    assert 'the run to resume had different --epochs' in other
    other = fails(*killed, '--resume', '--freeze', 1)
    assert 'the run to resume had different --model or --freeze' in other
    result = run('wrn', *words, '--work-dir', tmp_path / 'killed', '--resume')
    assert 'wrn: resuming from ' in result.stderr
    names = [only(tmp_path.glob(f'{run}/*.pth')).name for run in ('whole', 'killed')]
    assert names[0] == names[1]  # they contain the hash of the file


@pytest.mark.slow
def test_a_run_stopped_during_its_test_resumes_with_the_test(run, tmp_path, data):
    """It exits with the status that schedulers requeue; the resumed run only tests."""
    shutil.copytree(data, tmp_path / 'mine' / 'train')
    shutil.copytree(data, tmp_path / 'mine' / 'test')
    image = tmp_path / 'mine' / 'test' / 'is 9' / '19.png'
    for i in range(2000):  # the test must take seconds
        os.link(image, image.with_name(f'copy{i}.png'))
    words = ['finetune', str(tmp_path / 'mine'), '--model', DIGITS, '--epochs', '1']
    words += ['--work-dir', str(tmp_path / 'run')]
    process = start_wrn(words, (tmp_path / 'o', tmp_path / 'e'))
    wait_for(lambda: any(tmp_path.glob('run/run/test/*/*.log')), process.is_alive)
    time.sleep(0.5)  # until it reads images
    for pid in run('pgrep', '-P', process.pid).stdout.split():  # schedulers signal all processes
        os.kill(int(pid), signal.SIGTERM)
    process.terminate()
    process.join(60)
    assert process.exitcode == os.EX_TEMPFAIL
    error = (tmp_path / 'e').read_text()
    assert error.endswith('wrn: stopped by SIGTERM; run again with --resume\n')
    result = run('wrn', *words, '--resume')
    assert 'epoch 1/1' not in result.stderr
    only((tmp_path / 'run').glob('mine-*.pth'))


@pytest.mark.slow
def test_unreadable_images_and_names_with_spaces(run, tmp_path, data):
    """Unreadable validation images are left out and reported, like those of training."""
    mine = tmp_path / ' my digits'
    for label in (3, 7):
        shutil.copytree(data / f'is {label}', mine / f' {label}')
    splits = find_splits(mine)
    for split in ('train', 'val'):
        (mine / splits.images[split][0][0]).write_bytes(b'')
    result = run(
        'wrn', 'finetune', mine, '--model', DIGITS, '--epochs', 1, '--skip-unreadable', cwd=tmp_path
    )  # fmt: skip
    path = splits.images['val'][0][0]
    assert f'left out of validation and test, since unreadable: {path!r}\n' in result.stderr
    assert 'val: 7 images' in result.stderr
    assert 'skipped 1 unreadable image, ' in result.stderr
    only((tmp_path / 'work_dirs' / ' my digits').glob('*.pth'))


@pytest.mark.ci
@pytest.mark.slow
def test_a_job_of_two_processes_survives_the_loss_of_one(
    run, tmp_path, data, checkout, monkeypatch
):
    monkeypatch.setenv('MAX_RESTARTS', '1')
    monkeypatch.setenv('PORT', str(free_port()))
    command = ['bash', checkout / 'tools' / 'dist_finetune.sh', data, 2, '--model', DIGITS]
    command += ['--epochs', 8, '--work-dir', tmp_path / 'two']
    output = tmp_path / 'output'
    with output.open('w') as file:
        job = subprocess.Popen([*map(str, command)], stdout=file, stderr=subprocess.STDOUT)
    wait_for((tmp_path / 'two' / 'run' / 'last_checkpoint').exists, lambda: job.poll() is None)
    os.kill(find_rank(run, 1, f'finetune.py.*{tmp_path}'), signal.SIGKILL)
    assert job.wait(120) == 0
    text = output.read_text()
    assert 'resuming from ' in text
    assert text.count('train: 160 images') == 2
    assert text.count('use it with: ') == 1
    only((tmp_path / 'two').glob('*.pth'))


def test_image_files_are_preprocessed_like_the_pixels_of_the_models_dataset(tmp_path, rng):
    """The CIFAR datasets yield RGB pixels, but files are read as BGR."""
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        for i in range(2):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f'{i}.png')
    splits = find_splits(tmp_path)
    own = resolve('wide-resnet28-10_8xb16_cifar10').get_config()
    config = make_finetune_config(splits, resolve('wide-resnet28-10_8xb16_cifar10'), 'weights.pth')
    inputs = []
    path = tmp_path / 'b' / '1.png'
    for cfg, start in (
        (own, dict(img=np.array(Image.open(tmp_path / 'b' / '1.png')))),
        (config, dict(img_path=str(path))),
    ):
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            steps = cfg.test_dataloader.dataset.pipeline
            pipeline = Compose([TRANSFORMS.build(step) for step in steps])
            preprocessor = dict(type='ClsDataPreprocessor', **cfg.data_preprocessor)
            data = default_collate([pipeline(dict(start, gt_label=0))])
            inputs.append(MODELS.build(preprocessor)(data)['inputs'])
    torch.testing.assert_close(*inputs, rtol=0, atol=0)
    train = [step.type for step in config.train_dataloader.dataset.pipeline]
    assert train[:2] == ['LoadImageFromFile', 'Resize']
    assert config.load_from == 'weights.pth'
    own.model.data_preprocessor = own.pop('data_preprocessor')  # also valid in a config
    (tmp_path / 'own.py').write_text(own.pretty_text)
    moved = make_finetune_config(splits, resolve(tmp_path / 'own.py'), 'weights.pth')
    assert moved.data_preprocessor == config.data_preprocessor


@pytest.mark.parametrize(('epochs', 'warm_up'), [(1, False), (2, True), (20, True), (None, True)])
def test_the_schedule_ends_with_the_last_epoch(data, epochs, warm_up):
    config = make_finetune_config(find_splits(data), resolve(DIGITS))
    if epochs:
        stretch_schedule(config, epochs)
    *first, cosine = config.param_scheduler
    assert [scheduler.type for scheduler in first] == ['LinearLR'] * warm_up
    assert cosine.begin == warm_up
    assert (
        cosine.end == cosine.begin + cosine.T_max == config.train_cfg.max_epochs == (epochs or 20)
    )


def test_mistakes_are_reported_before_the_run(fails, tmp_path, data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert '--epochs 0: must be at least 1' in fails('finetune', data, '--epochs', 0)
    assert '--seed -1: must be at least 0' in fails('finetune', data, '--seed', -1)
    assert 'nowhere' in fails('finetune', 'nowhere')
    small = ('finetune', data, '--model')
    assert '--freeze 4: must be from -1 (nothing) to 3' in fails(*small, DIGITS, '--freeze', 4)
    error = fails(*small, 'wide-resnet28-10_8xb16_cifar10')
    assert 'has no weights to start from; give them with --checkpoint' in error
    assert "'wide-resnet99'" in fails(*small, "'wide-resnet99'")
    assert not (tmp_path / 'work_dirs').exists()
