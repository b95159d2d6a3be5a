"""`torch.hub.load` takes the networks from this checkout."""

import runpy
from importlib.metadata import requires
from importlib.util import find_spec

import pytest
import torch
from packaging.requirements import Requirement

import wrn
from wrn_base import model_index
from wrn_base.errors import AssumptionWarning, WrnError

TINY = dict(backbone=dict(base_channels=8, stem_channels=8), head=dict(in_channels=256))


@pytest.fixture
def load(checkout, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))

    def load(name, *args, **kwargs):
        return torch.hub.load(str(checkout), name, *args, source='local', **kwargs)

    return load


def test_by_an_address(load, checkout, tmp_path):
    """In torch's cache of repositories, so that nothing is downloaded."""
    (tmp_path / 'hub').mkdir()
    (tmp_path / 'hub' / 'USER_REPO_main').symlink_to(checkout)
    address = dict(github='USER/REPO:main', skip_validation=True, trust_repo=True)
    assert torch.hub.list(**address) == ['wide_resnet', 'wide_resnet101', 'wide_resnet50']
    assert 'timm/wide_resnet50_2' in torch.hub.help(**address, model='wide_resnet50')
    address['repo_or_dir'] = address.pop('github')
    assert torch.hub.load(**address, model='wide_resnet50', **TINY).head.num_classes == 1000


@pytest.mark.parametrize(('depth', 'blocks'), [(50, 6), (101, 23)])
def test_a_network(load, depth, blocks):
    network = load(f'wide_resnet{depth}', **TINY)
    assert len(network.backbone.layer3) == blocks
    assert network.backbone.layer1[0].conv2.weight.shape == (16, 16, 3, 3)
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 1000)


def test_a_file_of_weights(load, tmp_path):
    expected = load('wide_resnet50', **TINY)
    torch.save(expected.state_dict(), tmp_path / 'w.pth')
    with pytest.warns(AssumptionWarning, match='w.pth: assumed'):
        network = load('wide_resnet50', pretrained=str(tmp_path / 'w.pth'), **TINY)
    for key, value in expected.state_dict().items():
        assert torch.equal(network.state_dict()[key], value)


@pytest.mark.parametrize(
    'name',
    ['wide-resnet50_3rdparty_8xb32_in1k', 'torchvision/Wide_ResNet50_2_Weights.IMAGENET1K_V1'],
)
def test_published_weights(load, tmp_path, monkeypatch, name):
    """One set of weights, with its own preprocessing; here with random tensors."""
    network = load('wide_resnet50', **TINY)
    entry = model_index.models()['wide-resnet50_3rdparty_8xb32_in1k']
    torch.save(network.state_dict(), tmp_path / 'w.pth')
    monkeypatch.setattr(entry, 'weights', str(tmp_path / 'w.pth'))
    loaded = load('wide_resnet50', pretrained=name, **TINY)
    assert loaded._metainfo.name == entry.name
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)


def test_any_model(load, digits_weights):
    network = load('wide_resnet', 'wide-resnet16-2_1xb64_digits', pretrained=True)
    expected = wrn.get_model('wide-resnet16-2_1xb64_digits', pretrained=True)
    assert torch.equal(network.head.fc.weight, expected.head.fc.weight)


@pytest.mark.parametrize(
    ('network', 'pretrained', 'message'),
    [
        ('wide_resnet50', True, 'wide_resnet50_2: means several sets of weights; give one of'),
        ('wide_resnet50', 1, 'wide_resnet50_2: means several sets of weights; give one of'),
        ('wide_resnet101', True, 'wide_resnet101_2: means several sets of weights; give one of'),
        ('wide_resnet50', 'wide_resnet50_2', 'means several sets of weights'),
        ('wide_resnet50', 'timm/wide_resnet101_2.tv_in1k', 'not weights of wide-resnet50'),
        (
            'wide_resnet50',
            'wide-resnet50_3rdparty',
            'no published weights of wide-resnet50, and no file; `wrn list`',
        ),
    ],
)
def test_weights_that_are_not_one_set(load, network, pretrained, message):
    with pytest.raises(WrnError, match=message):
        load(network, pretrained=pretrained)


def test_all_required_packages_are_dependencies(checkout):
    """torch.hub names those that are missing before it imports anything."""
    required = [Requirement(line) for line in requires('mmpretrain-wrn')]
    names = {item.name for item in required if 'extra' not in str(item.marker)}
    modules = {'mmcv-lite': 'mmcv', 'opencv-python': 'cv2', 'pillow': 'PIL'}
    expected = {modules.get(name, name.replace('-', '_')) for name in names}
    hub = runpy.run_path(str(checkout / 'hubconf.py'))
    assert {*hub['dependencies']} == expected
    assert all(map(find_spec, expected))
