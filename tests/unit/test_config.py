"""Configs are found and read, and a mistake in one is reported in one line with its path."""

import pytest
from mmengine.config import Config

import wrn
from wrn.config import model_index
from wrn.config.config_file import parse_config, read_config, read_own_config
from wrn.config.config_parts import check_keys
from wrn.utils.errors import WrnError

BASE = model_index.root() / 'configs' / 'wrn' / 'wide-resnet16-2_1xb64_digits.py'


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / 'mine.py'
        base = '' if text.startswith('_base_') else f"_base_ = ['{BASE}']\n"
        path.write_text(base + text)
        return path

    return write


def test_find_by_path_and_shipped_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = Config.fromfile(BASE).to_dict()
    for path in (BASE, str(BASE), 'configs/wrn/wide-resnet16-2_1xb64_digits.py'):
        assert read_config(path).to_dict() == expected
        assert read_config(path).filename == str(BASE)


@pytest.mark.parametrize(
    ('name', 'hint'),
    [
        ('configs/wrn/wide-resnet50_8xb32_in1.py', 'configs/wrn/wide-resnet50_8xb32_in1k.py'),
        ('zzz.py', 'give the path'),
    ],
)
def test_not_found(name, hint):
    with pytest.raises(WrnError, match='no such config file') as error:
        read_config(name)
    assert hint in str(error.value)


def test_a_config_based_on_a_shipped_one(config):
    model = wrn.get_model(config('model = dict(backbone=dict(widen_factor=1.5))'))
    assert model.backbone.layer1[0].conv1.out_channels == 24


def test_only_keys_close_to_known_ones_are_errors():
    valid = ['base_test_dataloader', 'train_dataloader_1', 'env_cfg2', '_visualizer', 'pipeline']
    check_keys(Config(dict.fromkeys(valid, 1)))
    with pytest.raises(
        WrnError, match="unknown key 'train_dataloder'; rename it to train_dataload"
    ):
        check_keys(Config(dict(train_dataloder=1)))


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('model = dict(', r"syntax error in line 2: '\(' was never closed"),
        ("_base_ = ['./none.py']", 'no such file: .*none.py; check _base_'),
        (
            "model = dict(backbone=dict(type='WideResNt'))",
            "unknown model type 'WideResNt'; did you mean WideResNet",
        ),
        ('model = dict(backbone=dict(dept=50))', "unexpected keyword argument 'dept'"),
        ('model = dict(backbone=dict(depth=51))', r'depth must be 6n \+ 4 with n >= 1'),
        ('model = dict(backbone=dict(widen_factor=1.3))', 'must be a whole number'),
        ("custom_imports = dict(imports=['no_such_module'])", 'no_such_module'),
    ],
)
def test_mistakes(config, text, message):
    path = config(text)
    with pytest.raises(WrnError, match=message) as error:
        wrn.get_model(path)
    assert str(error.value).startswith(f'{path}: ')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('name', model_index.models())
def test_parse_the_text_of_a_config(name):
    config = Config.fromfile(model_index.models()[name].config)
    parsed = parse_config(config.pretty_text)
    assert parsed.to_dict() == config.to_dict()


@pytest.mark.parametrize(
    'text',
    [
        'import os',
        'x = open("y")',
        'x: int = 1',
        'x = y',
        'x = dict(**dict(a=1))',
        'x = {**y}',
        'x =',
        '(',
    ],
)
def test_a_text_with_more_than_values_is_refused(text):
    with pytest.raises((SyntaxError, ValueError)):
        parse_config(text)
    assert read_own_config(dict(cfg=text)) is None


@pytest.mark.parametrize('suffix', ['.yaml', '.yml'])
@pytest.mark.parametrize('as_base', [False, True])
def test_a_yaml_config_runs_no_code(tmp_path, monkeypatch, suffix, as_base):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f'evil{suffix}'
    path.write_text('model: !!python/object/apply:os.system ["touch ran"]\n')
    if as_base:
        (tmp_path / 'child.py').write_text(f"_base_ = ['{path}']\n")
        path = tmp_path / 'child.py'
    with pytest.raises(WrnError, match='could not determine a constructor') as error:
        wrn.get_model(path)
    assert not (tmp_path / 'ran').exists()
    assert '\n' not in str(error.value)


def test_a_yaml_config(tmp_path):
    path = tmp_path / 'plain.yaml'
    path.write_text(f'_base_: {BASE}\nmodel: {{backbone: {{widen_factor: 1}}}}\n')
    assert read_config(path).model.backbone.widen_factor == 1
