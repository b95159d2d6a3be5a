"""All commands read the same formats, leave out what is hidden, and say what they leave out."""

import csv
import re
import tarfile

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from predictions import DIGITS

from wrn_base import model_index

FORMATS = ['png', 'jpg', 'webp', 'tiff', 'gif', 'avif', 'jp2', 'jfif']
LEFT_OUT = 'left out 5 files: 3 hidden images, 2 .txt'


@pytest.fixture
def data(tmp_path, rng):
    """Two splits of two class folders, each with one image per format, and other files."""
    Image.init()
    for split in ('train', 'val'):
        for label, name in enumerate(('cat', 'dog')):
            folder = tmp_path / 'pets' / split / name
            folder.mkdir(parents=True)
            for extension in FORMATS:
                pixels = rng.integers(0, 90, (16, 16, 3)).astype(np.uint8)
                pixels[..., label] += 150
                format = Image.registered_extensions()[f'.{extension}']
                Image.fromarray(pixels).save(folder / f'x.{extension}', format=format)
            (folder / 'notes.txt').write_text('x')
        for hidden in ('.ipynb_checkpoints', '__MACOSX'):
            (tmp_path / 'pets' / split / hidden).mkdir()
            (tmp_path / 'pets' / split / hidden / 'x.png').write_bytes(b'x')
        (folder / '._x.png').write_bytes(b'\0\5\x16\7')
    return tmp_path / 'pets'


@pytest.fixture
def config(data, tmp_path):
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(16, 16)),
        dict(type='PackInputs'),
    ]
    loaders = {
        f'{loader}_dataloader': dict(
            batch_size=4,
            num_workers=0,
            persistent_workers=False,
            dataset=dict(
                _delete_=True,
                type='CustomDataset',
                data_root=str(data),
                data_prefix=split,
                pipeline=pipeline,
            ),
        )
        for loader, split in (('train', 'train'), ('val', 'val'), ('test', 'val'))
    }
    path = tmp_path / 'small.py'
    path.write_text(
        f"_base_ = ['{model_index.root()}/configs/wrn/{DIGITS}.py']\n"
        'model = dict(backbone=dict(depth=10, widen_factor=1),\n'
        '             head=dict(num_classes=2, in_channels=64, topk=(1,)))\n'
        'data_preprocessor = dict(num_classes=2)\n'
        'val_evaluator = dict(topk=1)\ntest_evaluator = val_evaluator\n'
        'train_cfg = dict(max_epochs=2)\n'
        'default_hooks = dict(checkpoint=dict(interval=1), logger=dict(interval=1))\n'
        + ''.join(f'{name} = {loader}\n' for name, loader in loaders.items())
    )
    return path


@pytest.mark.slow
def test_train_test_and_overfit(run, data, config, tmp_path):
    work_dir = tmp_path / 'run'
    trained = run('wrn', 'train', config, '--work-dir', work_dir, cwd=tmp_path)
    assert f'{data}/train: {LEFT_OUT}\n' in trained.stderr
    assert re.search(r'^epoch 2/2  loss ', trained.stderr, re.MULTILINE)
    # The saved config must load without this package.
    dataset = Config.fromfile(work_dir / 'small.py').train_dataloader.dataset
    assert dataset.type == 'CustomDataset'
    out = tmp_path / 'out.csv'
    tested = run('wrn', 'test', config, work_dir / 'epoch_2.pth', '--out', out, cwd=tmp_path)
    assert f'{data}/val: {LEFT_OUT}\n' in tested.stderr
    with out.open(newline='') as file:
        paths = {row['img_path'] for row in csv.DictReader(file)}
    assert paths == {f'{data}/val/{n}/x.{ext}' for n in ('cat', 'dog') for ext in FORMATS}
    overfitted = run('wrn', 'overfit', config, '--steps', 100, cwd=tmp_path)
    assert 'the setup can learn' in overfitted.stdout


@pytest.mark.slow
def test_finetune(run, data, tmp_path):
    command = ('wrn', 'finetune', data, '--model', DIGITS, '--epochs', 1, '--work-dir', 'out')
    result = run(*command, cwd=tmp_path)
    assert result.stderr.count('left out') == 1
    assert f'wrn: {data}: left out 10 files: 6 hidden images, 4 .txt\n' in result.stderr
    assert 'wrn: train: 16 images\nwrn: val: 16 images\n' in result.stderr
    assert 'wrn: 2 classes: cat, dog\n' in result.stderr
    assert len((tmp_path / 'out' / 'train.txt').read_text().splitlines()) == 2 * len(FORMATS)


def test_predict_and_features(run, data, tmp_path):
    out = tmp_path / 'out.csv'
    number = 2 * len(FORMATS)
    result = run('wrn', 'predict', data / 'val', '--out', out)
    assert f'wrn: {out}: {number} images' in result.stderr
    assert result.stderr.endswith(f'wrn: {data}/val: {LEFT_OUT}\n')
    assert len(out.read_text().splitlines()) == 1 + number
    with tarfile.open(
        tmp_path / 'x.tgz', 'w:gz'
    ) as archive:  # compressed archives are not counted first
        archive.add(data / 'val', 'val')
    result = run('wrn', 'predict', tmp_path / 'x.tgz', '--out', out.with_suffix('.json'))
    assert result.stderr.endswith(f'wrn: {tmp_path}/x.tgz: {LEFT_OUT}\n')
    assert 'left out' not in run('wrn', 'predict', data / 'val/cat/x.png').stderr
    arguments = ('--model', DIGITS, '--stages', 'layer1', '--pool', '--out', tmp_path / 'x.npy')
    result = run('wrn', 'features', data / 'val', data / 'train', *arguments)
    assert f'{number * 2} images' in result.stdout
    doubled = 'left out 10 files: 6 hidden images, 4 .txt'
    assert f'wrn: {data}/train, {data}/val: {doubled}\n' in result.stderr
