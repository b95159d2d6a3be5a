"""A mistake in a config is one line that names the file and the key, in every command."""

import re
import shutil
from pathlib import Path

import pytest
import torch
from small_run import write_config, write_data

import wrn
from wrn_base.cli import main

COMMANDS = {
    'train': ['bad.py', '--work-dir', 'out'],
    'test': ['bad.py', 'w.pth', '--work-dir', 'out'],
    'predict': ['data/val/ape/000.png', '--model', 'bad.py', '--checkpoint', 'w.pth'],
    'features': ['data/val/ape/000.png', '--model', 'bad.py', '--checkpoint', 'w.pth', '--out', 'f.npy', '--stages', 'layer1'],
    'finetune': ['data', '--model', 'bad.py', '--checkpoint', 'w.pth', '--work-dir', 'out'],
    'info': ['bad.py'],
    'overfit': ['bad.py', '--steps', '1'],
    'export': ['bad.py', '--checkpoint', 'w.pth', '--format', 'torchscript'],
    'convert': ['w.pth', 'w.pth', '--config', 'bad.py'],
}  # fmt: skip
# Parts that a command does not need, or takes from the weights.
NECK = "    neck=dict(type='GlobalAveragePooling'),"
UNUSED = {
    'features': ['in_channels=64', NECK],
    'convert': ['in_channels=64', NECK, "type='WideResNetCIFAR'"],
}
TYPE = "a (part has no|step without a) type: {'typ': "
MISTAKES = [
    ("type='Resize'", "type='Reszie'", "unknown transform type 'Reszie'; did you mean 'Resize'"),
    ('scale=(16, 16)', 'scael=(16, 16)', "unexpected keyword argument 'scael'"),
    ('scale=(16, 16)', "scale='big'", "error: .*'resize'"),
    ("dict(type='PackInputs')", "dict(typ='PackInputs')", f"{TYPE}'PackInputs'}}"),
    ("dict(type='LoadImageFromFile')", "dict(typ='LoadImageFromFile')", f'{TYPE}.*LoadImage'),
    ('mean=[127.5] * 3', 'mean=[127.5] * 2', r'data_preprocessor.mean=\[127.5, 127.5\]: must be a list of 3'),
    ('std=[127.5] * 3', "std='wide'", "data_preprocessor.std='wide': must be a list of 3 numbers"),
    ('std=[127.5] * 3', 'std=[0] * 3', r'data_preprocessor.std=\[0, 0, 0\]: must be above 0'),
    ('mean=[127.5] * 3', "mean=[float('nan')] * 3", 'data_preprocessor.mean=.*nan.*: must be a list of 3'),
    ('data_preprocessor = dict(', 'data_preprocessor = dict(meen=1, ', "unexpected keyword argument 'meen'"),
    ("type='WideResNetCIFAR'", "type='WideResNetCIFR'", "did you mean 'WideResNetCIFAR'"),
    ('in_channels=64', 'in_channels=63', r'in_channels=64|\(3, 64\), but the model has \(3, 63\)|weights of the head do not match'),
    ('num_classes=3, in', "num_classes='3', in", "model.head.num_classes='3': must be a number"),
    (NECK, '', r'in_channels=\d+ if it is the head|weights of the head'),
    ('widen_factor=1)', 'widen_factor=1, in_channels=4)', r'must be a list of 4 numbers|takes 4|check the channels'),
    ("    dict(type='PackInputs'),", '', "end it with dict.type='PackInputs'|PackInputs"),
    ('batch_size=8', 'batch_size=0', 'train_dataloader.batch_size=0: must be a number of at least 1'),
    ('model = dict(', 'network = dict(', 'has no model; give model=dict'),
    ("type='ImageClassifier',", '', 'has a model without a type'),
    ('custom_imports', "_base_ = ['./none.py']\ncustom_imports", r'no such file: .*none.py; check _base_'),
    ('default_scope', 'default_scope = = ', 'syntax error in line 3'),
]  # fmt: skip


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('mistakes')
    write_data(folder, 4)
    model = wrn.get_model(write_config(folder / 'good.py'))
    meta = dict(dataset_meta=dict(classes=['ape', 'bee', 'cat']))
    torch.save(dict(meta=meta, state_dict=model.state_dict()), folder / 'w.pth')
    return folder


@pytest.mark.parametrize('command', COMMANDS)
def test_each_mistake_in_each_command(fails, folder, monkeypatch, command):
    monkeypatch.chdir(folder)
    text = Path('good.py').read_text()
    for old, new, message in MISTAKES:
        if old in UNUSED.get(command, ()):
            continue
        assert text.count(old) == 1, old
        Path('bad.py').write_text(text.replace(old, new))
        error = fails(command, *COMMANDS[command])
        assert re.search(message, error), error
        assert re.match(r'wrn: error: (\S*/)?(bad.py|w.pth): ', error), error
        shutil.rmtree('out', ignore_errors=True)
    assert {path.name for path in folder.iterdir()} <= {'bad.py', 'data', 'good.py', 'w.pth'}


def test_a_config_without_a_scope_works(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    text = Path('good.py').read_text()
    Path('bad.py').write_text(text.replace("default_scope = 'mmpretrain'\n", ''))
    main(['test', *COMMANDS['test']])
    assert ' accuracy  ' in capsys.readouterr().out
    shutil.rmtree('out')


def test_a_mistake_in_the_validation_pipeline_alone(fails, folder, monkeypatch):
    monkeypatch.chdir(folder)
    write_config(
        'bad.py',
        "val_dataloader['dataset'] = dict(**val_dataloader['dataset'])\n"
        "val_dataloader['dataset']['pipeline'] = [pipeline[0], dict(type='Resize', scale='big'), "
        'pipeline[2]]\n',
    )
    error = fails('train', *COMMANDS['train'])
    assert error.startswith('wrn: error: bad.py: ')
    assert not list(Path('out').glob('*.pth'))
    shutil.rmtree('out')
