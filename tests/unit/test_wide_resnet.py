"""The arguments and the structure of the backbone; tests/parity compares what it computes."""

import pytest
import torch
from mmengine.config import Config
from mmpretrain.models import ResNet
from mmpretrain.registry import MODELS
from torchvision.models import wide_resnet50_2

from wrn import WideResNet

DEPTHS = (18, 34, 50, 101, 152)


def shapes(network: torch.nn.Module) -> dict[str, torch.Size]:
    return {key: value.shape for key, value in network.state_dict().items()}


def test_is_registered_in_mmpretrain():
    assert MODELS.get('WideResNet') is WideResNet
    assert isinstance(MODELS.build(dict(type='WideResNet', depth=18)), WideResNet)


@pytest.mark.parametrize('depth', DEPTHS)
def test_widen_factor_1_is_resnet(depth):
    assert shapes(WideResNet(depth, widen_factor=1)) == shapes(ResNet(depth))


@pytest.mark.parametrize('depth', [50, 101, 152])
def test_bottlenecks_widen_only_the_inner_convolution(depth):
    wide = shapes(WideResNet(depth, widen_factor=2))
    assert wide == shapes(ResNet(depth, base_channels=128, expansion=2))
    plain = shapes(ResNet(depth))
    assert wide['layer1.0.conv2.weight'] == (128, 128, 3, 3)
    assert all(
        wide[key] == plain[key] for key in plain if 'downsample' in key or key == 'conv1.weight'
    )


@pytest.mark.parametrize('depth', [18, 34])
def test_basic_blocks_widen_all_but_the_stem(depth):
    wide = WideResNet(depth, widen_factor=2)
    assert shapes(wide) == shapes(ResNet(depth, base_channels=128))
    assert wide.conv1.out_channels == 64
    assert wide.feat_dim == 1024


# In millions, as printed in the paper: table 5, and table 8 for the bottleneck.
@pytest.mark.parametrize(
    ('depth', 'widen_factor', 'millions'),
    [
        (18, 1, 11.7),
        (18, 1.5, 25.9),
        (18, 2, 45.6),
        (18, 3, 101.8),
        (34, 1, 21.8),
        (34, 1.5, 48.6),
        (34, 2, 86.0),
        (50, 2, 68.9),
    ],
)
def test_number_of_parameters_is_the_papers(depth, widen_factor, millions):
    network = WideResNet(depth, widen_factor)
    parameters = sum(p.numel() for p in network.parameters()) + (network.feat_dim + 1) * 1000
    assert round(parameters / 1e6, 1) == millions


@pytest.mark.parametrize('widen_factor', [0.5, 1.5, 1.25, 4])
def test_fractional_widen_factors(widen_factor):
    network = WideResNet(50, widen_factor, out_indices=(0, 1, 2, 3))
    inner = network.layer1[0].conv2.weight.shape[0]
    assert inner == 64 * widen_factor
    features = network(torch.zeros(1, 3, 64, 64))
    assert [tuple(f.shape) for f in features] == [
        (1, 256, 16, 16),
        (1, 512, 8, 8),
        (1, 1024, 4, 4),
        (1, 2048, 2, 2),
    ]


def test_widen_factors_are_not_rounded():
    """No binary float equals 1.1 or 4/3, but 1.1 * 160 = 176 and 4/3 * 48 = 64 are whole."""
    assert WideResNet(18, 1.1, base_channels=160).layer1[0].conv1.out_channels == 176
    assert WideResNet(50, 4 / 3, base_channels=48).layer1[0].conv1.out_channels == 64


@pytest.mark.parametrize(
    ('depth', 'widen_factor', 'message'),
    [
        (50, 1.3, r'widen_factor=1.3 gives 83.2 channels'),
        (18, 1.01, r'gives 64.64 channels'),
        (50, 0, 'must be a positive number'),
        (50, -2, 'must be a positive number'),
        (20, 2, 'depth must be one of 18, 34, 50, 101, 152, not 20'),
    ],
)
def test_invalid_arguments(depth, widen_factor, message):
    with pytest.raises(ValueError, match=message):
        WideResNet(depth, widen_factor)


def test_a_wrong_depth_is_a_key_error_as_in_mmpretrain():
    for network in (WideResNet, ResNet):
        with pytest.raises(KeyError):
            network(20)


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(deep_stem=True, avg_down=True),
        dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)),
        dict(style='caffe'),
        dict(norm_cfg=dict(type='GN', num_groups=8)),
        dict(num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(0, 2)),
        dict(in_channels=1),
    ],
)
def test_arguments_of_resnet(kwargs):
    """Each gives the same network as in mmpretrain's ResNet of the same widths."""
    ours = WideResNet(50, 2, **kwargs).eval()
    reference = ResNet(50, base_channels=128, expansion=2, **kwargs)
    reference.eval()
    reference.load_state_dict(ours.state_dict())
    inputs = torch.randn(2, kwargs.get('in_channels', 3), 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(inputs), reference(inputs), rtol=0, atol=0)


@pytest.mark.parametrize('type', ['GELU', 'SiLU'])
def test_every_activation_is_replaced(type, randomize):
    """As if each ReLU in torchvision's network were replaced."""
    reference = randomize(wide_resnet50_2())
    for module in reference.modules():
        if hasattr(module, 'relu'):
            module.relu = getattr(torch.nn, type)()
    config = dict(type='WideResNet', depth=50, act_cfg=dict(type=type))
    ours = MODELS.build(Config(dict(model=config)).model).eval()
    missing, unexpected = ours.load_state_dict(reference.state_dict(), strict=False)
    assert (missing, unexpected) == ([], ['fc.weight', 'fc.bias'])
    deep = WideResNet(18, 1, deep_stem=True, act_cfg=config['act_cfg'])
    assert not [m for network in (ours, deep) for m in network.modules() if 'ReLU' in repr(m)[:5]]
    inputs = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = reference.fc(ours(inputs)[0].mean((2, 3)))
        torch.testing.assert_close(reference(inputs), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ('depth', 'inner', 'dilations'),
    [
        (18, 'conv1', [[1, 1], [1, 1], [1, 2], [2, 4]]),
        (50, 'conv2', [[1] * 3, [1] * 4, [1] + [2] * 5, [2] + [4] * 2]),
    ],
)
def test_contracted_dilations(depth, inner, dilations):
    """tests/clients compares the network with mmsegmentation's."""
    dilated = dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), drop_path_rate=0.2)
    torch.manual_seed(0)
    network = WideResNet(depth, 0.25, contract_dilation=True, **dilated)
    torch.manual_seed(0)
    plain = WideResNet(depth, 0.25, **dilated)
    blocks = [getattr(network, name) for name in network.res_layers]
    for part in ('dilation', 'padding'):
        found = [[getattr(getattr(b, inner), part) for b in stage] for stage in blocks]
        assert found == [[(d, d) for d in stage] for stage in dilations]
    for (name, ours), (other, theirs) in zip(
        network.named_modules(), plain.named_modules(), strict=True
    ):
        assert name == other
        assert getattr(ours, 'drop_prob', None) == getattr(theirs, 'drop_prob', None)
    for key, value in plain.state_dict().items():
        assert torch.equal(network.state_dict()[key], value)
    assert network(torch.zeros(1, 3, 64, 64))[0].shape[2:] == (8, 8)


def test_drop_path_and_activation_checkpointing():
    network = WideResNet(50, 2, drop_path_rate=0.2, with_cp=True).train()
    rates = [b.drop_path.drop_prob for b in network.layer4]
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(0.2)
    inputs = torch.randn(2, 3, 32, 32, requires_grad=True)
    network(inputs)[0].sum().backward()
    assert network.layer1[0].conv1.weight.grad is not None


def test_checkpointing_does_not_change_gradients():
    plain, checkpointed = WideResNet(18), WideResNet(18, with_cp=True)
    checkpointed.load_state_dict(plain.state_dict())
    gradients = []
    for network in (plain.train(), checkpointed.train()):
        inputs = torch.linspace(-1, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32).requires_grad_()
        network(inputs)[0].sum().backward()
        gradients.append(network.layer1[0].conv1.weight.grad)
    torch.testing.assert_close(*gradients)


def test_train_and_eval_return_the_network():
    network = WideResNet(18)
    assert network.eval() is network
    assert network.train() is network


def test_frozen_stages_and_norm_eval():
    network = WideResNet(50, frozen_stages=2, norm_eval=True).train()
    frozen = [n for n, p in network.named_parameters() if not p.requires_grad]
    assert {n.split('.')[0] for n in frozen} == {'conv1', 'bn1', 'layer1', 'layer2'}
    assert not any(m.training for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))


def test_layer_depths_are_those_of_resnet():
    ours, reference = WideResNet(50), ResNet(50)
    for name, _ in ours.named_parameters():
        name = f'backbone.{name}'
        assert ours.get_layer_depth(name, 'backbone.') == reference.get_layer_depth(
            name, 'backbone.'
        )
