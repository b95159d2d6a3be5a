"""`init_cfg=dict(type='Pretrained', checkpoint=...)` gives a network all weights, or says what not."""

import re
import warnings
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from mmengine.model.weight_init import PretrainedInit
from mmpretrain.models import ImageClassifier, LinearClsHead, ResNet
from mmpretrain.registry import MODELS
from torch import nn

import wrn
from wrn import WideResNet, WideResNetCIFAR
from wrn.checkpoints import schemes
from wrn.checkpoints.pretrained_init import CheckedPretrainedInit
from wrn_base import model_index
from wrn_base.errors import AssumptionWarning, CheckpointError, RandomWeightsWarning

DIGITS = 'wrn://wide-resnet16-2_1xb64_digits'
TINY = dict(depth=18, widen_factor=0.25, out_indices=(0, 1, 2, 3))


class Detector(BaseModule):
    """A model of another package around a backbone."""

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.backbone = WideResNet(**TINY)
        self.neck = nn.Conv2d(128, 4, 1)
        self.rpn_head = nn.Conv2d(4, 1, 1)


def pretrained(checkpoint, **kwargs):
    return dict(type='Pretrained', checkpoint=str(checkpoint), **kwargs)


def initialize(network):
    network.init_weights()
    return network


def assert_same(network, expected):
    ours = network.state_dict()
    assert ours.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(ours[key], value, rtol=0, atol=0, msg=key)


@pytest.fixture(scope='module')
def digits():
    return wrn.get_model(DIGITS, pretrained=True)


@pytest.fixture
def tiny(randomize):
    return randomize(WideResNet(**TINY)).state_dict()


@pytest.fixture
def save(tmp_path):
    def save(checkpoint, name='w.pth'):
        torch.save(checkpoint, tmp_path / name)
        return tmp_path / name

    return save


@pytest.mark.parametrize('prefix', [None, 'backbone', 'backbone.'])
@pytest.mark.parametrize('type', ['Pretrained', PretrainedInit])
def test_a_backbone_by_the_name_of_a_model(digits, prefix, type):
    init_cfg = dict(type=type, checkpoint=DIGITS, prefix=prefix)
    network = WideResNetCIFAR(depth=16, widen_factor=2, init_cfg=init_cfg, frozen_stages=1)
    assert_same(initialize(network), digits.backbone.state_dict())
    assert not network.layer1[0].conv1.weight.requires_grad
    assert network.layer2[0].conv1.weight.requires_grad


@pytest.mark.parametrize(
    ('prefix', 'given', 'assumed'),
    [
        ('', None, None),
        ('backbone.', None, None),
        ('backbone.', 'backbone.', None),
        ('module.backbone.', None, "the network behind the prefix 'module.'"),
        ('student.', 'student', None),
    ],
)
def test_a_backbone_by_the_keys_of_any_library(save, tiny, prefix, given, assumed):
    path = save({f'{prefix}{key}': value for key, value in tiny.items()})
    network = WideResNet(**TINY, init_cfg=pretrained(path, prefix=given))
    if assumed is None:
        initialize(network)
    else:
        with pytest.warns(AssumptionWarning, match=f'w.pth: assumed: {assumed}'):
            initialize(network)
    assert_same(network, tiny)


def test_a_file_in_another_format(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = wrn.convert(DIGITS, 'theirs.pth', to='xternalz').path
    network = WideResNetCIFAR(16, 2, init_cfg=pretrained(path))
    assert_same(initialize(network), digits.backbone.state_dict())
    network = WideResNetCIFAR(16, 2, act_cfg=dict(type='SiLU'), init_cfg=pretrained(path))
    with pytest.warns(
        AssumptionWarning, match=r"act_cfg={'type': 'SiLU'}, not {'type': 'ReLU'} \("
    ):
        initialize(network)


def test_a_dilated_network(save, tiny):
    """Files do not state dilations, and detectors choose them."""
    network = WideResNet(
        **TINY,
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        contract_dilation=True,
        init_cfg=pretrained(save(tiny)),
    )
    assert_same(initialize(network), tiny)


@pytest.mark.parametrize('option', [dict(act_cfg=dict(type='SiLU')), dict(strided_conv='last')])
def test_another_network_with_published_weights(option):
    network = WideResNetCIFAR(16, 2, **option, init_cfg=pretrained(DIGITS))
    (name,) = option
    with pytest.warns(AssumptionWarning, match=f'{DIGITS}: the network has {name}=.*, not .*; the'):
        initialize(network)


def test_a_classifier(digits):
    config = digits._config.model | dict(init_cfg=pretrained(DIGITS))
    assert_same(initialize(MODELS.build(config)), digits.state_dict())
    config.head.update(num_classes=3, topk=(1,))
    with pytest.warns(RandomWeightsWarning, match='81 tensors .*; new: head.fc.bias, head.fc.weig'):
        network = initialize(MODELS.build(config))
    assert isinstance(network, ImageClassifier)
    assert_same(network.backbone, digits.backbone.state_dict())


def test_a_detector(save, tiny):
    """Its own parts come from its own file; those that a file does not have are named."""
    with pytest.warns(RandomWeightsWarning, match='new: neck.bias, neck.weight, rpn_head.bias and'):
        detector = initialize(Detector(pretrained(save(tiny))))
    assert_same(detector.backbone, tiny)
    path = save(dict(state_dict=detector.state_dict()), 'detector.pth')
    assert_same(initialize(Detector(pretrained(path))), detector.state_dict())
    with pytest.warns(AssumptionWarning, match='a network without rpn_head'):
        assert_same(initialize(WideResNet(**TINY, init_cfg=pretrained(path))), tiny)


def test_a_model_with_a_backbone_of_another_name(save, tiny):
    """As in semi-supervised detectors, which have a student and a teacher."""
    model = BaseModule(pretrained(save(tiny)))
    model.student, model.teacher = Detector(), Detector()
    with pytest.warns(RandomWeightsWarning, match=r'new: student\.neck\.bias'):
        initialize(model)
    assert_same(model.student.backbone, tiny)
    again = BaseModule(pretrained(save(dict(state_dict=model.state_dict(), meta={}), 'both.pth')))
    again.student, again.teacher = Detector(), Detector()
    with pytest.warns(AssumptionWarning, match="the network behind the prefix 'student"):
        initialize(again)
    assert_same(again, model.state_dict())


@pytest.mark.parametrize('depth', [18, 50])
def test_norms_are_not_set_to_zero_after_a_list_of_initializations(save, randomize, depth):
    """mmpretrain's ResNet does so, unless Pretrained is the only one."""
    arguments = TINY | dict(depth=depth)
    expected = randomize(WideResNet(**arguments)).state_dict()
    kaiming = dict(type='Kaiming', layer='Conv2d')
    network = WideResNet(**arguments, init_cfg=[pretrained(save(expected)), kaiming])
    assert_same(initialize(network), expected)


@pytest.mark.parametrize(
    ('network', 'message'),
    [
        (WideResNetCIFAR(16, 4), r'layer1\.0\.conv1\.weight has shape \(32, 16.*has \(64, 16'),
        (WideResNet(50, 0.25), r'layer1\.0\.conv1\.weight has shape'),
        (Detector(), r'backbone\.layer1\.0\.conv1\.weight has shape'),
        (ResNet(18), r'layer1\.0\.conv1\.weight has shape \(32, 16, 3, 3\)'),
        (WideResNetCIFAR(10, 2), 'layer1 has 2 blocks, but the model has 1'),
        (WideResNetCIFAR(22, 2), 'layer1 has 2 blocks, but the model has 3'),
    ],
)
def test_another_network(network, message):
    network.init_cfg = pretrained(DIGITS)
    start = f'{DIGITS}: not the weights of the {type(network).__name__} with this init_cfg: '
    with pytest.raises(CheckpointError, match=f'^{start}{message}.*; give weights of this network'):
        initialize(network)


@pytest.mark.parametrize('address', ['path', 'URL', 'torchvision', 'wrn'])
def test_a_file_that_fits_nothing(save, server, monkeypatch, tmp_path, address):
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    path = save({'a.weight': torch.ones(3)}, 'nothing.pth')
    server.folder.joinpath(path.name).write_bytes(path.read_bytes())
    entry = model_index.models()[DIGITS.removeprefix('wrn://')]
    if address == 'wrn':
        monkeypatch.setattr(entry, 'weights', str(path))
    monkeypatch.setitem(schemes._TABLES, 'torchvision', lambda: {'nothing': str(path)})
    checkpoint = dict(
        path=path, URL=server.url(path.name), torchvision='torchvision://nothing', wrn=DIGITS
    )[address]
    message = f'^{checkpoint}: not the weights .*: the keys of the file are a.weight, and those of '
    with pytest.raises(CheckpointError, match=message):
        initialize(WideResNet(**TINY, init_cfg=pretrained(checkpoint)))


@pytest.mark.parametrize(
    ('checkpoint', 'kwargs', 'message'),
    [
        ('missing.pth', {}, r'missing\.pth: the checkpoint does not exist'),
        ('wrn://missing', {}, r'wrn://missing: no weights of this name'),
        (
            'wrn://wide-resnet28-10_8xb16_cifar10',
            {},
            'no weights of this name, which is a config alone',
        ),
        (DIGITS, dict(prefix='neck'), f"{DIGITS}: no key begins with the prefix 'neck'"),
    ],
)
def test_what_does_not_exist(checkpoint, kwargs, message):
    with pytest.raises(CheckpointError, match=message):
        initialize(WideResNetCIFAR(16, 2, init_cfg=pretrained(checkpoint, **kwargs)))


def test_weights_that_are_nan(save, tiny):
    tiny['layer1.0.conv1.weight'][0] = torch.nan
    with pytest.raises(CheckpointError, match='NaN or infinity in layer1'):
        initialize(WideResNet(**TINY, init_cfg=pretrained(save(tiny))))


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        (
            dict(num_stages=4, strides=(1, 2, 2, 2)),
            r'\d+ tensors into WideResNetCIFAR; new: layer4\.0\.conv1\.weight, .* and ',
        ),
        (
            dict(in_channels=1),
            r'80 tensors .*; new: conv1\.weight; .* \(16, 3, 3, 3\), but the mod',
        ),
    ],
)
def test_weights_that_fit_in_part(digits, changed, message):
    arguments = dict(depth=16, widen_factor=2) | changed
    with pytest.warns(RandomWeightsWarning, match=f'{DIGITS}: loads {message}'):
        network = initialize(WideResNetCIFAR(**arguments, init_cfg=pretrained(DIGITS)))
    weight = network.layer3[1].conv2.weight
    assert torch.equal(weight, digits.backbone.layer3[1].conv2.weight)


def test_fewer_stages_are_logged(save, tiny, caplog):
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with warnings.catch_warnings():
        warnings.simplefilter('error', RandomWeightsWarning)
        fewer = TINY | dict(num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(2,))
        initialize(WideResNet(**fewer, init_cfg=pretrained(save(tiny))))
    logger.removeHandler(caplog.handler)
    assert re.search(r'loads \d+ tensors into WideResNet; not used: layer4\.0\.bn1', caplog.text)


@pytest.mark.parametrize(
    ('module', 'prefix'),
    [(LinearClsHead(10, 128), 'head.'), (WideResNetCIFAR(16, 2).layer2, 'backbone.layer2.')],
)
def test_a_part_of_a_published_model(digits, module, prefix):
    CheckedPretrainedInit(checkpoint=DIGITS, prefix=prefix)(module)
    expected = {k: v for k, v in digits.state_dict().items() if k.startswith(prefix)}
    assert_same(module, {k.removeprefix(prefix): v for k, v in expected.items()})


def test_other_networks_are_mmengines(save, tiny, monkeypatch):
    """Except for a name of a model here, which has no keys of theirs."""
    other = dict(depth=18, base_channels=16)
    path = save({f'backbone.{key}': value for key, value in tiny.items()})
    before = ResNet(**other, zero_init_residual=False, init_cfg=pretrained(path))
    torch.manual_seed(0)
    assert not torch.equal(initialize(before).conv1.weight, tiny['conv1.weight'])
    entry = model_index.models()[DIGITS.removeprefix('wrn://')]
    monkeypatch.setattr(entry, 'weights', str(path))
    assert_same(initialize(ResNet(**other, init_cfg=pretrained(DIGITS))), tiny)


def test_nothing_is_assumed_of_published_weights(save, tiny, monkeypatch):
    path = save({f'module.backbone.{key}': value for key, value in tiny.items()})
    entry = model_index.models()['wide-resnet50_3rdparty_8xb32_in1k']
    monkeypatch.setitem(entry.data, 'Sources', [])
    monkeypatch.setattr(entry, 'weights', str(path))
    networks = {
        name: WideResNet(**TINY, init_cfg=pretrained(name))
        for name in (f'wrn://{entry.name}', str(path))
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        for network in networks.values():
            assert_same(initialize(network), tiny)
    assert all(str(warning.message).startswith(f'{path}: assumed: ') for warning in caught)
    assert len(caught) == 1


def test_the_log_has_no_password(save, server, tiny, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    server.folder.joinpath('w.pth').write_bytes(save(tiny).read_bytes())
    address = server.url('w.pth').replace('://', '://user:s3cret@')
    # Or it would be the logger of the next tests, too.
    monkeypatch.setattr(MMLogger, '_instance_dict', MMLogger._instance_dict.copy())
    log = tmp_path / 'run.log'
    logger = MMLogger.get_instance('init', logger_name='init', log_file=str(log))
    initialize(WideResNet(**TINY, init_cfg=pretrained(address)))
    for handler in logger.handlers:
        handler.close()
    text = log.read_text()
    # mmengine lists how each weight was initialized.
    assert 'conv1.weight - torch.Size([64, 3, 7, 7]): \nCheckedPretrainedInit: load from ' in text
    assert 's3cret' not in text


def test_the_file_may_have_a_path_object(digits):
    path = Path(model_index.models()[DIGITS.removeprefix('wrn://')].weights)
    init_cfg = dict(type='Pretrained', checkpoint=path)
    network = WideResNetCIFAR(16, 2, init_cfg=init_cfg)
    assert_same(initialize(network), digits.backbone.state_dict())
