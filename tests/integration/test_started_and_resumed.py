"""Runs that start where others were, with other settings, and on data with other classes."""

import json
import os
import shutil
from pathlib import Path

import mmengine
import pytest
import torch
from commands import run_wrn
from small_run import write_classes, write_config

from wrn.checkpoints import read_checkpoint
from wrn.checkpoints.assumptions import get_normalization
from wrn.config.config_file import read_own_config


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A run of three epochs, validated on images of two of the three classes."""
    folder = tmp_path_factory.mktemp('trained')
    write_classes(folder / 'data' / 'train', ['ape', 'bee', 'cat'], 8)
    write_classes(folder / 'data' / 'val', ['bee', 'cat'], 4, [1, 2])
    write_config(folder / 'small.py')
    words = ['train', 'small.py', '--work-dir', 'run', '--cfg-options', 'train_cfg.max_epochs=3']
    result = run_wrn(words, 120, folder)
    assert result.returncode == 0, result.stderr
    return folder, result.stderr


@pytest.fixture
def copied(trained, tmp_path, monkeypatch):
    """A copy of the run, in the current folder."""
    shutil.copytree(trained[0], tmp_path / 'copied')
    monkeypatch.chdir(tmp_path / 'copied')


def test_fewer_classes_are_mapped_and_said(trained):
    _, stderr = trained
    note = (
        'val_dataloader: its 2 classes are mapped by name to the 3 of the training data (no images '
        'of ape)'
    )
    assert stderr.count(note) == 1


@pytest.mark.parametrize('classes', [['bee', 'cat', 'dog'], ['dog', 'elk']])
def test_other_classes_are_refused_before_training(fails, copied, classes):
    shutil.rmtree('data/val')
    write_classes('data/val', classes, 4)
    error = fails('train', 'small.py', '--work-dir', 'new')
    assert 'that the training data does not have: dog' in error
    error = fails('test', 'small.py', 'run/epoch_3.pth', '--work-dir', 'new', '--out', 'x.csv')
    assert 'that the network does not have: dog' in error


def test_a_test_maps_to_the_classes_of_the_network(run, copied, tmp_path):
    words = ['wrn', 'test', 'small.py', 'run/epoch_3.pth', '--work-dir', 'new', '--out', 'x.jsonl']
    result = run(*words, cwd=tmp_path / 'copied')
    assert (
        'test_dataloader: its 2 classes are mapped by name to the 3 of the network' in result.stderr
    )
    rows = [json.loads(line) for line in Path('x.jsonl').read_text().splitlines()]
    assert {(row['img_path'].split('/')[-2], row['gt_class'], row['gt_label']) for row in rows} == {
        ('bee', 'bee', 1), ('cat', 'cat', 2),
    }  # fmt: skip
    names = ['ape', 'bee', 'cat']
    assert all(names[p['pred_label']] == p['pred_class'] for r in rows for p in r['predictions'])


@pytest.mark.parametrize('classes', [['Ape', 'Bee', 'Cat'], ['Bee', 'Cat']])
def test_predictions_have_the_names_of_the_network(copied, classes):
    shutil.rmtree('data/val')
    write_classes('data/val', classes, 2)
    words = ['test', 'small.py', 'run/epoch_3.pth', '--work-dir', 'new', '--out', 'x.jsonl']
    assert run_wrn(words, 120).returncode == 0
    rows = [json.loads(line) for line in Path('x.jsonl').read_text().splitlines()]
    names = ['ape', 'bee', 'cat']
    for row in rows:
        folder = row['img_path'].split('/')[-2]
        assert row['gt_class'] == names[row['gt_label']] == folder.lower()
        assert all(names[p['pred_label']] == p['pred_class'] for p in row['predictions'])


@pytest.mark.parametrize('suffix', ['txt', 'json'])
def test_labels_that_may_count_from_1_are_said(run, copied, suffix):
    """Only two of three classes have images, so that no label is too large."""
    paths = sorted(map(str, Path().glob('data/val/*/*.png')))
    labels = {path: 1 + ('cat' in path) for path in paths}
    images = [dict(img_path=path, gt_label=label) for path, label in labels.items()]
    mmengine.dump(dict(metainfo=dict(classes=['ape', 'bee', 'cat']), data_list=images), 'l.json')
    Path('l.txt').write_text(''.join(f'{path} {label}\n' for path, label in labels.items()))
    dataset = f"dict(type='{'CustomDataset' if suffix == 'txt' else 'BaseDataset'}'"
    dataset += f", data_root='', ann_file='l.{suffix}', pipeline=pipeline)"
    write_config('listed.py', f'test_dataloader = dict(**loader, dataset={dataset})\n')
    result = run('wrn', 'test', 'listed.py', 'run/epoch_3.pth', '--work-dir', 'new')
    note = (
        'test_dataloader: no image has label 0, that of the first class; if the labels count from 1'
    )
    assert result.stderr.count(note) == 1


def test_a_used_work_folder_is_refused(fails, copied):
    before = torch.load('run/epoch_1.pth', weights_only=False)['meta']['time']
    error = fails('train', 'small.py', '--work-dir', 'run')
    assert 'run/epoch_1.pth: exists; add --overwrite to replace it, --resume to complete' in error
    assert torch.load('run/epoch_1.pth', weights_only=False)['meta']['time'] == before


@pytest.mark.parametrize('resume', [['run/pipe.pth'], ['/dev/zero'], []])
def test_a_run_is_not_resumed_from_a_pipe_or_device(fails, copied, resume):
    for path in Path('run').glob('*.pth'):
        path.unlink()
    os.mkfifo('run/pipe.pth')
    error = fails('train', 'small.py', '--work-dir', 'run', '--resume', *resume)
    assert 'the checkpoint cannot be read (not a file, but a pipe, socket or device)' in error


def test_a_resumed_run_has_the_rates_of_its_own_settings(run, copied, tmp_path):
    words = ['wrn', 'train', 'small.py', '--work-dir', 'run', '--resume', '--cfg-options']
    words += ['optim_wrapper.optimizer.lr=0.02', 'param_scheduler.0.T_max=8']
    result = run(*words, 'param_scheduler.0.end=8', cwd=tmp_path / 'copied')
    assert 'optim_wrapper.optimizer.lr 0.05 -> 0.02' in result.stderr
    log = max((tmp_path / 'copied' / 'run').glob('*/vis_data/scalars.json'))
    rates = [json.loads(line)['lr'] for line in log.read_text().splitlines() if 'lr"' in line]
    expected = 0.02 * (1 + torch.cos(torch.tensor(torch.pi * 3 / 8, dtype=torch.float64))) / 2
    assert rates[0] == pytest.approx(expected.item())
    assert read_checkpoint('run/epoch_4.pth')['meta']['epoch'] == 4


def test_resumed_rates_of_groups_are_those_of_a_new_run(run, fails, copied, tmp_path):
    """A recipe for fine-tuning gives the backbone a lower rate, and a group to each weight."""
    cfg = "optim_wrapper['paramwise_cfg'] = dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))\n"
    write_config('small.py', cfg)
    words = ['wrn', 'train', 'small.py', '--work-dir']
    run(*words, 'tuned', '--cfg-options', 'train_cfg.max_epochs=1', cwd=tmp_path / 'copied')
    others = ['lr=0.02', 'momentum=0.8', 'weight_decay=0.001']
    others = [f'optim_wrapper.optimizer.{setting}' for setting in others]
    others += ['optim_wrapper.accumulative_counts=3', 'train_cfg.max_epochs=2']
    for options in (['tuned', '--resume'], ['fresh']):
        run(*words, *options, '--cfg-options', *others, cwd=tmp_path / 'copied')
    resumed, fresh = (
        read_checkpoint(f'{folder}/epoch_2.pth')['optimizer'] for folder in ('tuned', 'fresh')
    )
    assert len({group['lr'] for group in resumed['param_groups']}) == 2
    assert resumed['param_groups'] == fresh['param_groups']
    assert resumed['base_param_settings']['lr'] == fresh['base_param_settings']['lr']

    words = ('train', 'small.py', '--work-dir', 'tuned', '--resume', '--cfg-options')
    error = fails(*words, 'model.backbone.frozen_stages=1', 'optim_wrapper.optimizer.lr=0.1')
    assert 'model.backbone.frozen_stages=1: tuned/epoch_2.pth was trained with -1' in error
    error = fails(*words, 'optim_wrapper.paramwise_cfg=None', 'optim_wrapper.optimizer.lr=0.1')
    key = 'optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult'
    assert f'{key}=None: tuned/epoch_2.pth was trained with 0.1' in error


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('randomness.seed=0', 'optim_wrapper.optimizer.type=Adam: '),
        ('randomness.seed=5', 'randomness.seed=5: '),
        ('train_cfg.max_epochs=2', 'train_cfg.max_epochs=2: '),
        (
            'optim_wrapper.paramwise_cfg.bias_lr_mult=2',
            'optim_wrapper.paramwise_cfg.bias_lr_mult=2: ',
        ),
        ('model.backbone.frozen_stages=2', 'model.backbone.frozen_stages=2: '),
        ('data_preprocessor.mean=[1,2,3]', 'data_preprocessor.mean=[1, 2, 3]: '),
        ('data_preprocessor.std=[9,9,9]', 'data_preprocessor.std=[9, 9, 9]: '),
    ],
)
def test_settings_that_cannot_be_resumed_are_refused(fails, copied, option, message):
    if 'Adam' in message:
        write_config('small.py', "optim_wrapper = dict(optimizer=dict(type='Adam', lr=0.1))\n")
    error = fails('train', 'small.py', '--work-dir', 'run', '--resume', '--cfg-options', option)
    assert message in error


@pytest.mark.parametrize(
    ('first', 'expected'),
    [
        (['--cfg-options', 'load_from=w.pth'], ([1.0, 2.0, 3.0], [40.0, 50.0, 60.0])),
        (['--mean', '9', '--std', '99', '--cfg-options'], ([9.0], [99.0])),
    ],
)
def test_a_run_keeps_the_normalization_of_its_weights_or_options(
    run, fails, copied, first, expected
):
    """A resumed run again has the config's, which differs."""
    expected = dict(zip(('mean', 'std'), expected, strict=True))
    weights = read_checkpoint('run/epoch_3.pth')['state_dict']
    torch.save(dict(meta=dict(normalization=expected), state_dict=weights), 'w.pth')
    words = ['train', 'small.py', '--work-dir', 'new', '--resume']
    for epochs in (1, 2, 3):
        options = first if epochs < 3 else ['--cfg-options']
        result = run('wrn', *words, *options, f'train_cfg.max_epochs={epochs}')
        assert epochs == 1 or 'mean' not in result.stdout + result.stderr
        config = read_own_config(read_checkpoint(f'new/epoch_{epochs}.pth')['meta'])
        assert get_normalization(config) == expected
    error = fails(*words, '--mean', 0, '--std', 255)
    mean = expected['mean']
    assert f'--mean=[0.0]: new/epoch_3.pth was trained with {mean}, and cannot' in error


def test_the_key_of_the_first_weights_is_no_key_of_the_checkpoint(run, copied):
    """The same command resumes, also in a process that torchrun restarts."""
    weights = read_checkpoint('run/epoch_3.pth')['state_dict']
    torch.save(dict(ema={f'student.{key}': value for key, value in weights.items()}), 'w.pth')
    words = [
        'wrn',
        'train',
        'small.py',
        '--work-dir',
        'new',
        '--key',
        'ema',
        '--prefix',
        'student.',
    ]
    for epochs in (1, 2):
        settings = ('load_from=w.pth', f'train_cfg.max_epochs={epochs}')
        result = run(*words, '--resume', '--cfg-options', *settings)
    assert ', after epoch 1, ' in result.stderr


def test_resuming_on_other_classes_is_refused(fails, copied):
    shutil.move('data/train/ape', 'data/train/dog')
    error = fails('train', 'small.py', '--work-dir', 'run', '--resume')
    assert 'train_dataloader: has 1 class that the network does not have: dog' in error


SHRINKING = """
model['backbone'] = dict(type='WideResNet', depth=18, widen_factor=1)
model['head']['in_channels'] = 512
train_dataloader['batch_size'] = {size}
"""


@pytest.mark.parametrize(
    ('size', 'option', 'message'),
    [
        (23, 'drop_last=False', 'the last batch of an epoch has 1 image, which is too few'),
        (1, 'drop_last=True', 'the last batch of an epoch has 1 image, which is too few'),
        (25, 'drop_last=True', '24 images are less than a batch, and drop_last leaves it out'),
    ],
)
def test_batches_that_cannot_be_trained_on_are_refused(fails, copied, size, option, message):
    config = write_config('shrinks.py', SHRINKING.format(size=size))
    options = ('--work-dir', 'new', '--cfg-options', f'train_dataloader.{option}')
    assert message in fails('train', config, *options)
    assert not list(Path('new').glob('*.pth'))
