"""Files of each ImageNet format give the network that wrote them, and convert back exactly."""

import hashlib

import pytest
import timm
import torch
import torchvision
from conversion import convert_file
from mmengine.config import Config
from safetensors.torch import load_file
from torch.nn import functional

import wrn
from wrn.checkpoints import read_checkpoint
from wrn.config.config_file import parse_config
from wrn_base.errors import WrnError

TOLERANCE = dict(rtol=1e-5, atol=1e-5)  # the same operations, except where a library fuses some
REFERENCES = {
    'torchvision': lambda: torchvision.models.wide_resnet50_2(num_classes=7),
    'timm': lambda: timm.create_model('wide_resnet50_2', num_classes=7),
    'basic blocks': lambda: torchvision.models.resnet18(num_classes=7),
    'widen factor 1.5': lambda: torchvision.models.resnet50(width_per_group=96, num_classes=3),
}


@pytest.fixture(scope='module')
def inputs():
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def same_bits(a, b):
    """Return whether two state dicts are the same, except for counters that old files do not have."""
    a, b = ({k: v for k, v in d.items() if 'num_batches' not in k} for d in (a, b))
    return a.keys() == b.keys() and all(
        a[key].dtype == b[key].dtype and torch.equal(a[key], b[key]) for key in a
    )


def network_of(path):
    """Return the network that the config in a converted file describes, with its weights."""
    meta = read_checkpoint(path)['meta']
    return wrn.get_model(parse_config(meta['cfg']), pretrained=path)


@pytest.mark.parametrize('name', REFERENCES)
@torch.no_grad()
def test_conversion_there_and_back(name, inputs, randomize, tmp_path):
    reference = randomize(REFERENCES[name]())
    theirs = reference.state_dict()
    torch.save(theirs, tmp_path / 'theirs.pth')
    there = convert_file(tmp_path / 'theirs.pth', folder=tmp_path)
    logits = network_of(there.path)(inputs)
    expected = reference(inputs)
    assert expected.std() > 0.05
    torch.testing.assert_close(logits, expected, **TOLERANCE)
    for to in ('torchvision', 'timm'):
        back = convert_file(there.path, 'back', to, tmp_path)
        read = torch.load(back.path) if back.path.suffix == '.pth' else load_file(back.path)
        assert same_bits(read, theirs)
        reference.load_state_dict(read)  # strict


@torch.no_grad()
def test_half_precision(inputs, randomize, tmp_path):
    """It stays in the file, and becomes single precision in the network."""
    reference = randomize(torchvision.models.wide_resnet50_2()).half()
    torch.save(reference.state_dict(), tmp_path / 'half.pth')
    model = wrn.get_model('wide-resnet50', pretrained=tmp_path / 'half.pth')
    torch.testing.assert_close(model(inputs), reference.float()(inputs), **TOLERANCE)
    there = convert_file(tmp_path / 'half.pth', 'x.pth', folder=tmp_path)
    back = convert_file(there.path, 'back', 'torchvision', tmp_path)
    assert same_bits(torch.load(back.path), torch.load(tmp_path / 'half.pth'))


@torch.no_grad()
def test_normalization_becomes_the_data_preprocessor(inputs, randomize, tmp_path):
    """As in robustness research: the weights of Sequential(normalization, network)."""
    reference = randomize(torchvision.models.resnet18(num_classes=7))
    mean, std = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.25])
    wrapped = {f'module.model.{k}': v for k, v in reference.state_dict().items()}
    wrapped |= {'module.normalize.mean': mean, 'module.normalize.std': std}
    torch.save(dict(state_dict=wrapped, epoch=3), tmp_path / 'robust.pth')
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    normalized = (images / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    expected = reference(normalized).softmax(1)
    there = convert_file(tmp_path / 'robust.pth', folder=tmp_path)
    config = parse_config(there.meta['cfg'])
    for model in (network_of(there.path), wrn.get_model(config, tmp_path / 'robust.pth')):
        # The preprocessor converts BGR, as OpenCV reads images, to RGB.
        samples = model.test_step(dict(inputs=images.flip(1)))
        scores = torch.stack([sample.pred_score for sample in samples])
        torch.testing.assert_close(scores, expected, **TOLERANCE)
    built = wrn.get_model(config).data_preprocessor
    torch.testing.assert_close(built.mean.flatten(), mean * 255)
    torch.testing.assert_close(built.std.flatten(), std * 255)


def folded_network(x, params):
    """Compute the authors' ImageNet export as in szagoruyko/functional-zoo."""

    def conv(x, name, stride=1, padding=0):
        return functional.conv2d(
            x, params[f'{name}.weight'], params[f'{name}.bias'], stride, padding
        )

    x = functional.max_pool2d(conv(x, 'conv0', 2, 3).relu(), 3, 2, 1)
    for group in range(4):
        block = 0
        while f'group{group}.block{block}.conv0.weight' in params:
            name = f'group{group}.block{block}.conv'
            stride = 2 if group and not block else 1
            y = conv(x, f'{name}0').relu()
            y = conv(y, f'{name}1', stride, 1).relu()
            y = conv(y, f'{name}2')
            shortcut = x if block else conv(x, f'{name}_dim', stride)
            x, block = (y + shortcut).relu(), block + 1
    return functional.linear(x.mean((2, 3)), params['fc.weight'], params['fc.bias'])


@pytest.fixture
def export():
    """Random weights with the keys and shapes of wide-resnet-50-2-export-5ae25d50.pth."""
    generator = torch.Generator().manual_seed(0)
    params = {}

    def add(name, out_channels, in_channels, kernel=None):
        shape = (out_channels, in_channels) + ((kernel, kernel) if kernel else ())
        fan_in = in_channels * (kernel or 1) ** 2
        weight = torch.randn(shape, generator=generator)
        # Smaller than Kaiming's, because no batch norm keeps the sum of the blocks in range.
        params[f'{name}.weight'] = weight * (1 / fan_in) ** 0.5
        params[f'{name}.bias'] = torch.randn(out_channels, generator=generator) / 5

    add('conv0', 64, 3, 7)
    channels = 64
    for group, blocks in enumerate((3, 4, 6, 3)):
        inner, out = 128 << group, 256 << group
        for block in range(blocks):
            name = f'group{group}.block{block}.conv'
            for i, (o, c, k) in enumerate(
                ((inner, channels, 1), (inner, inner, 3), (out, inner, 1))
            ):
                add(f'{name}{i}', o, c, k)
            if block == 0:
                add(f'{name}_dim', out, channels, 1)
            channels = out
    add('fc', 7, channels)
    return params


@torch.no_grad()
def test_authors_export(export, inputs, tmp_path):
    torch.save(export, tmp_path / 'wide-resnet-50-2-export.pth')
    there = convert_file(tmp_path / 'wide-resnet-50-2-export.pth', folder=tmp_path)
    assert there.loss is None
    assert str(there.architecture) == 'depth 50, widen factor 2, 7 classes'
    logits, expected = network_of(there.path)(inputs), folded_network(inputs, export)
    assert expected.std() > 0.05
    # Each of 53 layers rounds sqrt(1 + eps) once, in a batch norm that only adds.
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    back = convert_file(there.path, 'back', 'authors', tmp_path)
    assert same_bits(torch.load(back.path), export)


@torch.no_grad()
def test_batch_norms_are_folded_for_the_authors_format(inputs, randomize, tmp_path):
    reference = randomize(torchvision.models.wide_resnet50_2(num_classes=7))
    torch.save(reference.state_dict(), tmp_path / 'theirs.pth')
    folded = convert_file(tmp_path / 'theirs.pth', to='authors', folder=tmp_path)
    assert 'cannot be converted back' in folded.loss
    logits = folded_network(inputs, torch.load(folded.path))
    # Each of 53 layers rounds once more, in the product of weight and gain.
    torch.testing.assert_close(logits, reference(inputs), rtol=1e-4, atol=1e-4)


def test_mmcls(tmp_path, randomize):
    """Version 0.x has the same keys, and the class names under another key."""
    weights = randomize(wrn.get_model('wide-resnet50', head=dict(num_classes=3))).state_dict()
    old = dict(meta=dict(CLASSES=('a', 'b', 'c'), mmcls_version='0.25.0'), state_dict=weights)
    torch.save(old, tmp_path / 'old.pth')
    there = convert_file(tmp_path / 'old.pth', folder=tmp_path)
    assert network_of(there.path)._dataset_meta['classes'] == ['a', 'b', 'c']
    back = convert_file(there.path, 'back', 'openmmlab-0.x', tmp_path)
    read = torch.load(back.path)
    assert read['meta']['CLASSES'] == ['a', 'b', 'c']
    assert same_bits(read['state_dict'], weights)
    with pytest.raises(WrnError, match=r'mmcls 0\.x reads \.pth only'):
        convert_file(there.path, 'back.safetensors', 'openmmlab-0.x', tmp_path)


def test_checkpoints_of_openmmlab(tmp_path, mmpretrain_root):
    """The config in them has ResNet(base_channels=128, expansion=2)."""
    config = Config.fromfile(mmpretrain_root / '.mim/configs/wrn/wide-resnet50_8xb32_in1k.py')
    config.test_dataloader.dataset.pipeline[1].scale = 300
    weights = wrn.get_model('wide-resnet50').state_dict()
    meta = dict(cfg=config.pretty_text, epoch=3, dataset_meta=dict(classes=('a',) * 1000))
    torch.save(dict(meta=meta, state_dict=weights), tmp_path / 'theirs.pth')
    there = convert_file(tmp_path / 'theirs.pth', folder=tmp_path)
    model = network_of(there.path)
    assert isinstance(model.backbone, wrn.WideResNet)
    assert model._config.test_dataloader.dataset.pipeline[1].scale == 300
    config.model.backbone.style = 'caffe'
    meta['cfg'] = config.pretty_text
    torch.save(dict(meta=meta, state_dict=weights), tmp_path / 'caffe.pth')
    there = convert_file(tmp_path / 'caffe.pth', folder=tmp_path)
    assert network_of(there.path).backbone.style == 'caffe'


def test_backbone_without_head(tmp_path, randomize):
    backbone = randomize(timm.create_model('wide_resnet50_2', num_classes=0)).state_dict()
    torch.save(backbone, tmp_path / 'backbone.pth')
    there = convert_file(tmp_path / 'backbone.pth', folder=tmp_path)
    assert there.architecture.num_classes is None
    assert not network_of(there.path).with_head
    back = convert_file(there.path, 'back', 'timm', tmp_path)
    assert same_bits(load_file(back.path), backbone)


def test_name_ends_in_the_hash_and_the_file_is_reproducible(tmp_path, randomize):
    torch.save(randomize(torchvision.models.resnet18()).state_dict(), tmp_path / 'theirs.pth')
    for suffix in ('.pth', '.safetensors'):
        paths = [
            convert_file(tmp_path / 'theirs.pth', f'x{suffix}', folder=tmp_path / folder).path
            for folder in ('a', 'b')
        ]
        assert paths[0].read_bytes() == paths[1].read_bytes()
        digest = hashlib.sha256(paths[0].read_bytes()).hexdigest()
        assert paths[0].name == f'x-{digest[:8]}{suffix}'
        assert paths[0].stat().st_mode & 0o777 == (tmp_path / 'theirs.pth').stat().st_mode & 0o777
