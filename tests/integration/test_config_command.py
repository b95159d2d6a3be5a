"""``wrn config`` prints a file that stands alone and is the same config."""

from pathlib import Path

import pytest
import torch
from small_run import write_config, write_data

from wrn.config.config_file import read_config
from wrn_base import model_index
from wrn_base.cli import main

NAME = 'wide-resnet16-2_1xb64_digits'
CONFIGS = sorted(model_index.root().glob('configs/wrn/*.py'))


@pytest.fixture(autouse=True)
def in_a_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.mark.ci
def test_every_shipped_config_is_the_same_when_it_is_read_back(capsys):
    assert len(CONFIGS) > 50
    for path in CONFIGS:
        main(['config', path.stem])
        text = capsys.readouterr().out
        assert '_base_' not in text
        Path('printed.py').write_text(text)
        assert read_config('printed.py').to_dict() == read_config(path).to_dict(), path.stem


def test_a_file_of_it_trains_the_same_weights(run, tmp_path):
    write_data('.', 4)
    write_config('base.py')
    Path('small.py').write_text("_base_ = './base.py'\ntrain_cfg = dict(max_epochs=1)\n")
    (tmp_path / 'elsewhere').mkdir()
    words = ('wrn', 'config', 'small.py', '--out', 'elsewhere/whole.py')
    printed = run(*words, cwd=tmp_path).stdout
    assert printed == 'wrote elsewhere/whole.py; train by it with: wrn train elsewhere/whole.py\n'
    Path('base.py').rename('moved.py')
    run('wrn', 'train', 'elsewhere/whole.py', '--work-dir', 'a', cwd=tmp_path)
    Path('moved.py').rename('base.py')
    run('wrn', 'train', 'small.py', '--work-dir', 'b', cwd=tmp_path)
    weights = [torch.load(f'{run}/epoch_1.pth', weights_only=False)['state_dict'] for run in 'ab']
    for key, value in weights[0].items():
        assert torch.equal(value, weights[1][key]), key


def test_settings_and_existing_files(fails, capsys):
    words = ['config', NAME, '--out', 'new/x.py', '--cfg-options', 'train_cfg.max_epochs=7']
    main(words)
    assert read_config('new/x.py').train_cfg.max_epochs == 7
    assert 'new/x.py: exists; add --overwrite to replace it' in fails(*words)
    main([*words[:-1], 'train_cfg.max_epochs=8', '--overwrite'])
    assert read_config('new/x.py').train_cfg.max_epochs == 8


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['wide-resnet16-2_1xb64_digit'], f"did you mean '{NAME}'"),
        (['none.py'], 'none.py: no such config file'),
        ([NAME, '--out', 'x.yaml'], '--out x.yaml: configs are written as .py'),
        ([NAME, '--cfg-options', 'modl.backbone.depth=10'], "unknown key 'modl'; rename it to model"),
    ],
)  # fmt: skip
def test_mistakes(fails, words, message):
    assert message in fails('config', *words)


def test_weights_have_no_config_to_train_by(fails, digits_weights):
    assert 'has no training settings; give a config' in fails('config', digits_weights)
