"""Configs are found and read, and a mistake in one is reported in one line with its path."""

import os

import pytest
from mmengine.config import Config

import wrn
from wrn.config.config_file import parse_config, read_config, read_own_config
from wrn.config.config_parts import check_keys, get_dataset_meta, get_dataset_type
from wrn.inference.predictor import Predictor
from wrn.jobs.settings import apply_settings
from wrn_base import model_index
from wrn_base.errors import WrnError

BASE = model_index.root() / 'configs' / 'wrn' / 'wide-resnet16-2_1xb64_digits.py'
PIPELINE = "test_dataloader = dict(dataset=dict(pipeline=[{}, dict(type='PackInputs')]))"


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


@pytest.mark.parametrize('name', ['f.yaml', 'f.json', 'f.py'])
def test_a_pipe_is_not_opened(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    os.mkfifo(name)
    (tmp_path / 'based.yaml').write_text(f'_base_: {name}')
    (tmp_path / 'based.py').write_text(f"_base_ = ['{name}']")
    (tmp_path / 'twice.py').write_text("_base_ = '{{ fileDirname }}/based.py'")
    for config in (name, 'based.yaml', 'based.py', 'twice.py'):
        if (config, name) == ('based.yaml', 'f.py'):
            continue  # code is refused before it is looked up
        with pytest.raises(
            WrnError, match=rf'{name}: the config cannot be read \(not a file, but a'
        ):
            read_config(config)


def test_a_device_is_not_opened(tmp_path):
    (tmp_path / 'x.py').write_text("_base_ = '/dev/zero'")
    for read in (read_config, Config.fromfile):
        with pytest.raises(WrnError, match=r'^/dev/zero: the config cannot be read'):
            read(tmp_path / 'x.py')


def test_a_folder_of_the_name_of_a_shipped_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir('wide-resnet16-2_1xb64_digits')
    os.mkdir('own.py')
    assert read_config('wide-resnet16-2_1xb64_digits').model.backbone.depth == 16
    with pytest.raises(WrnError, match=r'own\.py: the config is a folder; give the path of a file'):
        read_config('own.py')


def test_a_config_based_on_a_shipped_one(config):
    model = wrn.get_model(config('model = dict(backbone=dict(widen_factor=1.5))'))
    assert model.backbone.layer1[0].conv1.out_channels == 24


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('test_dataloader = 1.5', r'mine.py: test_dataloader is of type float, not a dict'),
        ('model = 3', r'mine.py: model is of type int, not a dict'),
        ('model = dict(backbone=1)', r'mine.py: model.backbone is of type int, not a dict'),
        ('model = dict(head=[[]])', r'mine.py: model.head is of type list, not a dict'),
        ('data_preprocessor = [1]', r'mine.py: data_preprocessor is of type list, not a dict'),
        ("train_dataloader = dict(dataset='x')", r'train_dataloader.dataset is of type str'),
    ],
)
def test_a_part_of_a_wrong_type(tmp_path, text, message):
    (tmp_path / 'mine.py').write_text(text)
    with pytest.raises(WrnError, match=message):
        read_config(tmp_path / 'mine.py')


@pytest.mark.parametrize(
    ('scope', 'package'), [('mmdet', 'mmdetection'), ('mmseg', 'mmsegmentation')]
)
def test_a_config_of_another_package(tmp_path, scope, package):
    path = tmp_path / 'theirs.py'
    path.write_text(f"default_scope = '{scope}'\nmodel = dict(type='FasterRCNN')\n")
    with pytest.raises(
        WrnError, match=f"theirs.py: default_scope is '{scope}'.* tools of {package}"
    ):
        read_config(path)


def test_a_part_of_a_wrong_type_in_a_checkpoint():
    text = f'model = dict()\n{PIPELINE.format("dict(type=1)")}\n'
    assert read_own_config(dict(cfg=text)) is not None
    assert read_own_config(dict(cfg=text + 'data_preprocessor = [1]')) is None


def test_a_wrapped_dataset_of_a_wrong_type():
    loader = dict(dataset=dict(type='ConcatDataset', datasets=[dict(type='CIFAR10'), 7]))
    with pytest.raises(WrnError, match=r'dataset\.datasets\.1: is of type int, not a dict'):
        get_dataset_meta(Config(dict(test_dataloader=loader)))


def test_a_type_that_is_no_name():
    loader = dict(dataset=dict(type=dict(a=1)))
    assert get_dataset_type(Config(dict(test_dataloader=loader))) == ''


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (
            'data_preprocessor = dict(mean=[1, 2], std=[3, 4])',
            'mine.py: data_preprocessor.mean=.* must be a list of 3',
        ),
        (
            'data_preprocessor = dict(mean=[1] * 3, std=[0] * 3)',
            r'mine.py: data_preprocessor.std=\[0, 0, 0\]: must be above 0',
        ),
        (PIPELINE.format("dict(type='Resize')"), 'mine.py: .*`scale` and`scale_factor`'),
        (PIPELINE.format('dict(type=[])'), 'mine.py: type must be a str'),
        (PIPELINE.format('dict()'), 'mine.py: .*a step without a type'),
        (PIPELINE.format('True'), 'mine.py: .*a step without a type: True'),
        ('test_dataloader = dict(dataset=dict(pipeline=1.5))', 'mine.py: .*without a type: 1.5'),
        (PIPELINE.format("dict(type='Resiz', scale=8)"), "unknown transform type 'Resiz'"),
    ],
)
def test_wrong_preprocessing_ends_before_the_first_image(config, text, message):
    with pytest.raises(WrnError, match=message):
        Predictor(wrn.get_model(config(text), False))


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
            "unknown model type 'WideResNt'; did you mean 'WideResNet'",
        ),
        (
            'model = dict(backbone=dict(dept=50))',
            "unexpected keyword argument 'dept'; did you mean 'depth'",
        ),
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


PLAIN = (
    'model: {type: ImageClassifier, backbone: {type: WideResNetCIFAR, depth: 10, widen_factor: 1}}'
)


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('custom_imports: {imports: [trap]}', 'custom_imports runs code'),
        ('custom_imports: trap', 'custom_imports runs code'),
        ('_base_: trap.py', r'_base_ trap\.py runs code'),
        ('_base_: [trap.py]', r'_base_ trap\.py runs code'),
        ('_base_: "mmpretrain::trap.py"', r'_base_ mmpretrain::trap\.py runs code'),
        ('_base_: other.json', r'other\.json: _base_ trap\.py runs code'),
        ('_base_: evil.yaml', 'is based on this file'),
        ('_base_: "{{$NO_SUCH_VARIABLE:trap.py}}"', 'runs code'),
        ('model: {type: trap.Door}', r"type 'trap\.Door' is not registered"),
        ('model: {type: trap}', "type 'trap' is not registered"),
        ('model: {type: mmengine.load, file: x.json}', r"type 'mmengine\.load' is not registered"),
        ('optim_wrapper: {constructor: trap.Door}', "constructor 'trap.Door' is not registered"),
        ('default_scope: trap', "default_scope 'trap' imports a module"),
        ('model: {type: ImageClassifier, _scope_: trap}', "_scope_ 'trap' imports a module"),
        ('dataset: {type: MultiLabelDataset, ann_file: x.pkl}', "ann_file 'x.pkl' is a pickle"),
        ('dataset: {type: ConcatDataset, ann_file: [x.pickle]}', "ann_file 'x.pickle' is a pickle"),
        ('a: [[{dtype: "os.system(\'touch ran\')"}]]', 'dtype .* is not the name of a type'),
        ('a: &a [1, 2]\nb: &b [*a, *a]\nc: &c [*c]', 'more than 100000 values'),
        ('[' * 3000 + ']' * 3000, 'nesting depth|recursion'),
        ('5', 'not a mapping of config keys'),
    ],
)
def test_a_data_config_names_no_code(tmp_path, monkeypatch, text, reason):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'trap.py').write_text("open('ran', 'w')\nDoor = dict\n")
    (tmp_path / 'other.json').write_text('{"_base_": ["trap.py"]}')
    path = tmp_path / 'evil.yaml'
    path.write_text(text)
    with pytest.raises(WrnError, match=reason) as error:
        read_config(path)
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'ran').exists()


def test_a_data_config_builds(tmp_path):
    (tmp_path / 'base.yaml').write_text(PLAIN)
    path = tmp_path / 'plain.json'
    path.write_text('{"_base_": "base.yaml", "custom_imports": {"imports": ["wrn"]}}')
    assert wrn.get_model(path).backbone.depth == 10


def test_settings_that_nothing_reads_are_reported(caplog):
    settings = {'trainer.max_epochs': 1, 'foo.bar': 2, 'train_cfg.max_epochs': 3, 'mine': 4}
    cfg = Config(dict(mine=0, model=dict(type='ImageClassifier')))
    with caplog.at_level('WARNING', 'wrn'):
        apply_settings(cfg, settings)
    assert cfg.to_dict()['train_cfg'] == dict(max_epochs=3)
    messages = sorted(record.getMessage() for record in caplog.records)
    assert messages == [
        '--cfg-options foo: nothing here reads this key; it has no effect unless your code does',
        "--cfg-options trainer: nothing here reads this key; did you mean 'train_cfg'?",
    ]
