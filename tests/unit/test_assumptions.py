"""What is assumed about weights is said by every function and command that takes them."""

import ast
import re
import warnings
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image
from reference import Reference

import wrn
from wrn.checkpoints import ReadOptions
from wrn.checkpoints.checkpoint_file import open_checkpoint
from wrn.checkpoints.convert import convert
from wrn_base import model_index
from wrn_base.errors import AssumptionWarning, WrnError

NAME = 'wide-resnet16-2_1xb64_digits'
NETWORK = r'the activation ReLU, the norm BN\(eps=1e-05\), strides 1, 2, 2 \(as in most files'
NORMALIZATION = 'the mean 127.5, 127.5, 127.5 and the std 127.5, 127.5, 127.5'
PIXELS = np.zeros((16, 16, 3), np.uint8)
RAW = dict(mean=[0, 0, 0], std=[255, 255, 255])


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A file without a config, which fits a shipped one, and images of its classes."""
    folder = tmp_path_factory.mktemp('assumptions')
    reference = Reference(
        norm='block{s}.layer.{b}.bn{i}',
        conv='block{s}.layer.{b}.conv{i}.weight',
        projection='block{s}.layer.{b}.convShortcut.weight',
        last_norm='bn1',
        base=16,
        widths=(32, 64, 128),
        classes=10,
    )
    torch.save(reference.random_weights(), folder / 'theirs.pth')
    for name, i in product('ab', range(3)):
        path = folder / 'data' / name / f'{i}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS + i + ord(name)).save(path)
    return folder


@pytest.fixture
def weights(folder):
    return folder / 'theirs.pth'


CALLS = {
    'get_model': lambda weights: wrn.get_model(NAME, weights),
    'inference_model': lambda weights: wrn.inference_model(NAME, PIXELS, weights),
    'extract_features': lambda weights: wrn.extract_features(NAME, PIXELS, pretrained=weights),
}


@pytest.mark.parametrize('call', CALLS.values(), ids=CALLS)
def test_python_calls(call, weights):
    with pytest.warns(AssumptionWarning, match=NETWORK) as caught:
        call(weights)
    assert NORMALIZATION in str(caught[0].message)
    assert str(caught[0].message).startswith(f'{weights}: assumed: ')
    assert len(caught) == 1


COMMANDS = {
    'predict': ('predict', 'data/a/0.png', '--model', NAME, '--checkpoint', 'theirs.pth'),
    'features': (
        *('features', 'data', '--model', NAME, '--checkpoint', 'theirs.pth'),
        *('--pool', '--out', 'f.safetensors'),
    ),
    'explain': (
        *('explain', 'data/a/0.png', '--model', NAME, '--checkpoint', 'theirs.pth'),
        *('--out', 'explained'),
    ),
    'test': ('test', NAME, 'theirs.pth', '--work-dir', 'test'),
    'export': (
        *('export', NAME, '--checkpoint', 'theirs.pth'),
        *('--format', 'torchscript', '--out', 'x.torchscript'),
    ),
    'train': (
        *('train', NAME, '--work-dir', 'train', '--cfg-options', 'load_from=theirs.pth'),
        'train_cfg.max_epochs=1',
    ),
    'finetune': (
        *('finetune', 'data', '--model', NAME, '--checkpoint', 'theirs.pth', '--epochs', '1'),
        *('--work-dir', 'finetune'),
    ),
    'convert': ('convert', 'theirs.pth', 'converted'),
    'info': ('info', 'theirs.pth'),
}


@pytest.mark.parametrize('command', COMMANDS)
def test_commands(command, folder, run):
    """`convert` and `info` print it as a result."""
    done = run('wrn', *COMMANDS[command], cwd=folder)
    is_result = command in ('convert', 'info')
    assert re.search(NETWORK, done.stdout if is_result else done.stderr)
    assert done.stderr.count('assumed: ') == (not is_result)


def test_filters_of_python_do_not_silence_a_command(folder, run):
    done = run('python', '-W', 'ignore', '-m', 'wrn', *COMMANDS['predict'], cwd=folder)
    assert f'wrn: theirs.pth: assumed: {NETWORK[:20]}' in done.stderr


@pytest.mark.parametrize('command', ['predict', 'test', 'finetune'])
def test_commands_with_a_normalization(command, folder, run, tmp_path):
    arguments = [
        word if word != command else str(tmp_path / 'out') for word in COMMANDS[command][1:]
    ]
    done = run('wrn', command, *arguments, '--mean', 0, '--std', 255, cwd=folder)
    assert re.search(NETWORK, done.stderr)
    assert 'the mean' not in done.stderr
    if command == 'finetune':
        (published,) = (tmp_path / 'out').glob('data-*.pth')
        model = wrn.get_model(published, pretrained=True)
        assert model.data_preprocessor.std.flatten().tolist() == RAW['std']


def test_explicit_normalization(weights):
    with pytest.warns(AssumptionWarning, match=NETWORK) as caught:
        model = wrn.get_model(NAME, weights, data_preprocessor=RAW)
    assert 'the mean' not in str(caught[0].message)
    assert model.data_preprocessor.std.flatten().tolist() == RAW['std']
    with pytest.raises(WrnError, match='has one of mean and std; give both'):
        wrn.get_model(NAME, weights, data_preprocessor=dict(mean=[0, 0, 0]))


def test_normalization_of_images_from_0_to_1_is_refused(weights, fails):
    scale = dict(mean=[0.49, 0.48, 0.45], std=[0.25, 0.24, 0.26])
    with pytest.raises(WrnError, match='multiply mean and std by 255'):
        wrn.get_model(NAME, weights, data_preprocessor=scale)
    data = weights.parent / 'data'
    message = fails('predict', data, '--model', NAME, '--mean', 0.5, '--std', 0.25)
    assert '--std=[0.25]: is for images from 0 to 1; multiply' in message


@pytest.mark.parametrize('std', [[1, 255], [255, 255, -255], [255, 255, float('nan')]])
def test_normalization_that_the_caller_gives_wrong(weights, std):
    wrong = dict(mean=[0] * len(std), std=std)
    with pytest.raises(WrnError, match=r'^mean and std: (mean|std)=.*; give one for each channel'):
        wrn.get_model(NAME, weights, data_preprocessor=wrong)


def test_key_without_weights():
    with pytest.raises(WrnError, match='none are loaded; give pretrained'):
        wrn.get_model(NAME, key='model_ema')


def test_nothing_is_assumed_of_files_that_state_it(weights, folder):
    done = convert(open_checkpoint(str(weights)), 'stated.pth', folder=folder)
    stated = torch.load(done.path)
    wrapped = {f'module.{key}': value for key, value in stated['state_dict'].items()}
    meta = dict(cfg=stated['meta']['cfg'], mmengine_version='0.10.7')
    averaged = dict(meta=meta, state_dict=wrapped, ema_state_dict=wrapped)
    torch.save(averaged, folder / 'averaged.pth')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for model in (NAME, done.path, folder / 'averaged.pth'):
            wrn.get_model(model, pretrained=True)


def test_config_of_the_caller_is_no_assumption(weights, folder):
    config = folder / 'own.py'
    config.write_text(f"_base_ = ['{model_index.root()}/configs/wrn/{NAME}.py']")
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        wrn.get_model(config, pretrained=weights)


@pytest.mark.parametrize('own', [False, True])
def test_cifars_normalization_of_a_config_that_inherits_it(weights, folder, own):
    """Many networks for CIFAR were trained on images from 0 to 1."""
    shipped = f'{model_index.root()}/configs/wrn/wide-resnet16-8_8xb16_cifar10.py'
    given = 'data_preprocessor = dict(mean=[0, 0, 0], std=[255, 255, 255])' if own else ''
    (folder / 'cifar.py').write_text(
        f"_base_ = ['{shipped}']\nmodel = dict(backbone=dict(widen_factor=2))\n{given}"
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        wrn.get_model(folder / 'cifar.py', pretrained=weights)
    mean = 'the mean 125.3, 123, 113.9 and the std 63, 62.1, 66.7'
    assert any(mean in str(warning.message) for warning in caught) != own


def test_an_option_of_the_callers_config_is_said_to_be_its_own(weights, folder):
    backbone = dict(act_cfg=dict(type='SiLU'))
    (folder / 'silu.py').write_text(
        f"_base_ = ['{model_index.root()}/configs/wrn/{NAME}.py']\n"
        f'model = dict(backbone={backbone})'
    )
    with pytest.warns(AssumptionWarning, match=r"by the config act_cfg={'type': 'SiLU'}, not {'ty"):
        wrn.get_model(folder / 'silu.py', pretrained=weights)


def test_file_with_another_normalization_than_the_config(weights, folder):
    raw = open_checkpoint(str(weights), ReadOptions(mean=RAW['mean'], std=RAW['std']))
    stated = torch.load(convert(raw, 'raw.pth', folder=folder).path)
    del stated['meta']['normalization']  # only the config in the file states it
    torch.save(stated, folder / 'cfg.pth')
    shipped = f"_base_ = ['{model_index.root()}/configs/wrn/{NAME}.py']"
    (folder / 'mine.py').write_text(shipped)
    with pytest.warns(AssumptionWarning, match=f'{NORMALIZATION} of the config, not the mean 0, 0'):
        wrn.get_model(folder / 'mine.py', folder / 'cfg.pth')
    # Nobody wrote the shipped config for these weights.
    found = wrn.get_model(NAME, folder / 'cfg.pth').data_preprocessor.mean
    assert found.flatten().tolist() == RAW['mean']


def test_choice_between_several_sets(weights, tmp_path):
    raw = torch.load(weights)
    averaged = {key: value * 0.5 for key, value in raw.items()}
    torch.save(dict(state_dict=raw, ema_state_dict=averaged), path := tmp_path / 'both.pth')
    with pytest.warns(AssumptionWarning, match='under state_dict, not those under ema_state_dict'):
        first = wrn.get_model(NAME, path)
    second = wrn.get_model(NAME, path, key='ema_state_dict')
    stem = first.backbone.conv1.weight
    assert torch.equal(second.backbone.conv1.weight, stem * 0.5)


@pytest.mark.parametrize('option', ['key', 'prefix', 'data_preprocessor', 'pretrained'])
def test_built_model_takes_no_weights(option):
    model = wrn.get_model(NAME)
    for call in (wrn.inference_model, wrn.extract_features):
        with pytest.raises(WrnError, match=f'^{option}: has no effect on a built model'):
            call(model, PIXELS, **{option: 'x'})


# Each warning of the package, and the test that asserts it. What a command chooses, it prints.
WARNINGS = {
    ('checkpoints/pretrained_init.py', 'AssumptionWarning'): 'unit/test_pretrained_init.py',
    ('checkpoints/pretrained_init.py', 'RandomWeightsWarning'): 'unit/test_pretrained_init.py',
    ('checkpoints/weights.py', 'AssumptionWarning'): 'unit/test_assumptions.py',
    ('inference/input_checks.py', 'ChannelOrderWarning'): 'unit/test_reading_options.py',
    ('zoo/factory.py', 'RandomWeightsWarning'): 'unit/test_get_model.py',
}


def test_all_warnings_are_known(checkout):
    found = {
        (str(path.relative_to(checkout / 'wrn')), ast.unparse(argument))
        for path in sorted((checkout / 'wrn').rglob('*.py'))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == 'warnings.warn'
        for argument in node.args[1:2]
    }
    assert found == {*WARNINGS}
    for (_, category), test in WARNINGS.items():
        assert f'pytest.warns({category}' in (checkout / 'tests' / test).read_text()
