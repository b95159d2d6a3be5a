"""Model arguments of functions and commands."""

import pytest
import torch
from mmengine.config import Config

import wrn
from wrn.checkpoints import ReadOptions, read_checkpoint
from wrn.zoo.resolve import is_name, resolve
from wrn_base import model_index
from wrn_base.errors import WrnError

DIGITS = 'wide-resnet16-2_1xb64_digits'
V1, V2, RACM = (
    f'wide-resnet50_3rdparty{kind}_8xb32_in1k' for kind in ('', '-torchvision-v2', '-timm')
)


@pytest.mark.parametrize('name', model_index.models())
def test_names(name):
    resolved = resolve(name.upper())
    assert (resolved.kind, resolved.name, resolved.is_upstream) == ('name', name, False)
    assert resolved.checkpoint == model_index.models()[name].weights
    assert resolved.config.filename == model_index.models()[name].config


@pytest.mark.parametrize(
    'path', sorted(model_index.root().glob('configs/wrn/*.py')), ids=lambda path: path.stem
)
def test_the_stem_of_a_shipped_config_is_a_name(path):
    resolved = resolve(path.stem)
    assert resolved.config.to_dict() == Config.fromfile(path).to_dict()
    assert resolved.kind == 'name' if path.stem in model_index.models() else 'config'


def test_kinds(tmp_path, digits_weights, exported_digits):
    pytest.importorskip('onnxscript')
    config = Config.fromfile(model_index.models()[DIGITS].config)
    plain = tmp_path / 'plain'  # without a suffix
    torch.save(read_checkpoint(digits_weights)['state_dict'], plain)
    network = wrn.get_model(DIGITS)
    for model, kind in {
        DIGITS: 'name',
        f'wrn://{DIGITS}': 'name',
        'resnet18_8xb32_in1k': 'name',
        'configs/wrn/wide-resnet50_8xb32_in1k.py': 'config',
        digits_weights: 'weights',
        plain: 'weights',
        exported_digits('onnx'): 'exported',
    }.items():
        resolved = resolve(model)
        assert resolved.kind == kind
        assert is_name(str(model)) == (kind == 'name')
    assert resolve(config).config is config
    assert resolve(network).network is network
    assert resolve('resnet18_8xb32_in1k').is_upstream


def test_a_folder_is_no_model(tmp_path):
    """It says which command takes the folder, or which file in it is a model."""
    (tmp_path / 'my pets').mkdir()
    folder = tmp_path / 'my pets'
    with pytest.raises(WrnError, match=r'is a folder, not a model; ') as error:
        resolve(folder)
    assert f"`wrn finetune '{folder}'` trains" in str(error.value)
    assert f"`wrn test MODEL --data '{folder}'` tests" in str(error.value)
    (folder / 'best.pth').touch()
    with pytest.raises(WrnError, match=r'; give a file in it, such as .*my pets/best.pth$'):
        resolve(folder)


def test_the_config_in_a_file_of_weights(tmp_path, digits_weights):
    resolved = resolve(digits_weights)
    config = resolved.get_config()
    assert (config.model.backbone.depth, config.model.backbone.widen_factor) == (16, 2)
    assert config.load_from == resolved.checkpoint == digits_weights
    assert resolved.read_weights() is resolved.file
    torch.save(read_checkpoint(digits_weights)['state_dict'], tmp_path / 'plain.pth')
    plain = resolve(tmp_path / 'plain.pth')
    assert plain.file.weights.state_dict.keys() == resolved.file.weights.state_dict.keys()
    with pytest.raises(WrnError, match=r'plain\.pth: contains no config of its network'):
        plain.get_config()
    checkpoint = read_checkpoint(digits_weights)
    checkpoint['meta']['cfg'] += 'x = open("y")\n'
    torch.save(checkpoint, tmp_path / 'code.pth')
    with pytest.raises(WrnError, match=r'code\.pth: contains no config of plain values'):
        resolve(tmp_path / 'code.pth').get_config()


def test_a_file_is_read_once(monkeypatch, digits_weights):
    from wrn.checkpoints import checkpoint_file

    reads = []
    monkeypatch.setattr(
        checkpoint_file, 'read_checkpoint', lambda path: reads.append(path) or read_checkpoint(path)
    )
    for model in (digits_weights, DIGITS):
        wrn.get_model(model, True)
        assert len(reads) == 1
        reads.clear()


@pytest.mark.parametrize(
    ('name', 'models'),
    [
        ('wide_resnet50_2', {V1, V2, RACM}),
        ('timm/wide_resnet50_2', {V1, V2, RACM}),
        ('Wide_ResNet50_2_Weights.DEFAULT', {V1, V2}),
        ('torchvision/wide_resnet50_2', {V1, V2}),
        ('wide_resnet101_2', {V1.replace('50', '101'), V2.replace('50', '101')}),
    ],
)
def test_an_ambiguous_name_lists_its_models(name, models, fails):
    with pytest.raises(WrnError, match='means several sets of weights') as error:
        wrn.get_model(name, True)
    message = str(error.value)
    named = {entry for entry in wrn.list_models() if f' {entry} (' in message}
    assert named == models
    for entry in models:
        for alias in model_index.aliases(model_index.models()[entry]):
            assert alias in message
    assert fails('info', name).endswith(message)
    with pytest.raises(WrnError, match='means several sets of weights'):
        wrn.get_model('wide-resnet50', f'wrn://{name}')


@pytest.mark.parametrize('name', ['wide_resnet50', 'wide-resnet50_2', 'wide_resnet_50_2'])
def test_similar_names_are_ours_first(name):
    with pytest.raises(WrnError, match="did you mean 'wide-resnet") as error:
        resolve(name)
    assert 'seresnet' not in str(error.value)


def test_a_key_selects_one_of_several_sets_of_weights(tmp_path):
    weights = wrn.get_model(DIGITS).state_dict()
    other = {key: value + 1 for key, value in weights.items()}
    torch.save(dict(model=weights, model_ema=other), tmp_path / 'w.pth')
    options = ReadOptions('model_ema')
    taken = resolve(tmp_path / 'w.pth', options=options).read_weights().weights.state_dict
    assert torch.equal(taken['head.fc.bias'], other['head.fc.bias'])
