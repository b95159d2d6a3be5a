"""Networks start from their initialization when they are built, and again when a run starts."""

import logging
import math

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

import wrn
from wrn import WideResNet, WideResNetCIFAR
from wrn.models.meta_init import MetaInit
from wrn_base.errors import CheckpointError


@pytest.fixture
def no_logs(monkeypatch):
    """Fail if anything is logged, but for debugging."""

    def handle(logger, record):
        assert record.levelno < logging.INFO, record.msg

    monkeypatch.setattr(logging.Logger, 'handle', handle)


def check_he(network: nn.Module, fan: int) -> None:
    """Check the convolutions: normal, with the variance 2 / n of the n inputs or outputs."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            assert module.bias is None
            weight = module.weight
            scaled = weight * math.sqrt(weight.numel() / weight.shape[fan] / 2)
            error = 4 / math.sqrt(2 * weight.numel())  # 4 standard errors
            assert scaled.std().item() == pytest.approx(1, abs=error), name
            within = (scaled.abs() < 1).float().mean().item()  # a uniform distribution has 0.577
            assert within == pytest.approx(0.6827, abs=2 / math.sqrt(weight.numel())), name


def check_norms(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert (module.bias == 0).all()
            assert (module.weight == 1).all()


def test_the_networks_for_32_pixels_are_the_authors(no_logs):
    """MSRinit of their Lua code since "fix MSRA init", and kaiming_normal_ of their PyTorch code.

    Norms are the identity, where both draw their weights from 0 to 1 (docs/cifar.md).
    """
    network = WideResNetCIFAR(16, 4)
    check_he(network, fan=0)
    check_norms(network)


def test_networks_for_imagenet_are_torchvisions(no_logs):
    torch.manual_seed(0)
    network = WideResNet(18, 1, zero_init_residual=False)
    check_he(network, fan=1)
    check_he(resnet18(), fan=1)
    check_norms(network)


@pytest.mark.parametrize(('depth', 'norm'), [(50, 'bn3'), (18, 'bn2')])
def test_the_last_norm_of_each_block_is_zero(depth, norm):
    """As in mmpretrain's ResNet, when it is built and by init_weights."""
    network = WideResNet(depth, 0.5)
    for _ in range(2):
        for stage in network.res_layers:
            for block in getattr(network, stage):
                assert not getattr(block, norm).weight.any()
                nn.init.ones_(getattr(block, norm).weight)
        network.init_weights()


@pytest.mark.parametrize('channels_last', [False, True])
def test_a_runner_initializes_again(channels_last):
    """init_weights has the same distribution. A seed determines it, in both memory formats."""
    networks = []
    for layout in (False, channels_last):
        network = WideResNetCIFAR(16, 4, channels_last=layout)
        for parameter in network.parameters():
            nn.init.constant_(parameter, 7)
        torch.manual_seed(3)
        network.init_weights()
        networks.append(network)
    check_he(network, fan=0)
    check_norms(network)
    for ours, expected in zip(*(network.parameters() for network in networks), strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=0)


def test_the_given_initialization_is_applied(tmp_path):
    """All but a file of weights, which init_weights loads."""
    ones = dict(type='Constant', val=1, layer='Conv2d')
    file = dict(type='Pretrained', checkpoint=str(tmp_path / 'missing.pth'))
    network = WideResNetCIFAR(10, 1, init_cfg=[ones, file])
    assert (network.layer3[0].conv1.weight == 1).all()
    assert WideResNetCIFAR(10, 1, init_cfg=file).conv1.weight.std() > 0
    with pytest.raises(Exception, match=r'missing\.pth'):
        network.init_weights()


def test_get_model_without_weights(no_logs):
    """The head, too: He's, without biases."""
    torch.manual_seed(0)
    network = wrn.get_model('wide-resnet16-8_8xb16_cifar10')
    check_he(network.backbone, fan=0)
    linear = network.head.fc
    assert not linear.bias.any()
    assert linear.weight.std().item() == pytest.approx(math.sqrt(2 / 512), rel=0.05)


def test_weights_that_a_file_replaces_are_not_drawn():
    with MetaInit():
        network = WideResNetCIFAR(28, 10)
    assert all(parameter.is_meta for parameter in network.parameters())
    before = torch.random.get_rng_state()
    wrn.get_model('wide-resnet16-2_1xb64_digits', True)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_file_of_an_override_is_not_loaded_when_a_network_is_built(tmp_path):
    """A part of the network may have its own first weights, which a run loads."""
    override = dict(name='layer1', type='Pretrained', checkpoint=str(tmp_path / 'missing.pth'))
    init_cfg = dict(type='Kaiming', layer='Conv2d', override=override)
    network = WideResNet(18, 1, init_cfg=init_cfg)
    assert network.init_cfg['override'] == override
    assert network.layer1[0].conv1.weight.std() > 0
    with pytest.raises(CheckpointError, match=r'missing\.pth: the checkpoint does not exist'):
        network.init_weights()
