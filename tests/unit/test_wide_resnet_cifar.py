"""The arguments and the structure of the backbone; tests/parity compares what it computes."""

import pytest
import torch
from mmpretrain.registry import MODELS

from wrn import WideResNetCIFAR


def parameters(network, classes=10):
    return sum(p.numel() for p in network.parameters()) + (network.feat_dim + 1) * classes


def test_is_registered_in_mmpretrain():
    assert MODELS.get('WideResNetCIFAR') is WideResNetCIFAR
    config = dict(type='WideResNetCIFAR', depth=10, widen_factor=1)
    assert isinstance(MODELS.build(config), WideResNetCIFAR)


# In millions, as printed in the paper: tables 4 and 9, and section 3.
@pytest.mark.parametrize(
    ('depth', 'widen_factor', 'millions'),
    [
        (40, 1, 0.6),
        (40, 2, 2.2),
        (40, 4, 8.9),
        (40, 8, 35.7),
        (28, 10, 36.5),
        (28, 12, 52.5),
        (22, 8, 17.2),
        (22, 10, 26.8),
        (16, 8, 11.0),
        (16, 10, 17.1),
    ],
)
def test_number_of_parameters_is_the_papers(depth, widen_factor, millions):
    with torch.device('meta'):
        network = WideResNetCIFAR(depth, widen_factor)
    assert round(parameters(network) / 1e6, 1) == millions


# In millions, as printed in the paper: table 2, with k = 2.
@pytest.mark.parametrize(
    ('kernel_sizes', 'depth', 'millions'),
    [
        ((1, 3, 1), 40, 1.4),
        ((3, 1), 40, 1.2),
        ((1, 3), 40, 1.3),
        ((3, 1, 1), 40, 1.3),
        ((3, 3), 28, 1.5),
        ((3, 1, 3), 22, 1.1),
    ],
)
def test_number_of_parameters_of_each_block_is_the_papers(kernel_sizes, depth, millions):
    network = WideResNetCIFAR(depth, 2, kernel_sizes)
    assert round(parameters(network) / 1e6, 1) == millions


@pytest.mark.parametrize('deepening_factor', [1, 2, 3, 4])
def test_deepening_factor_keeps_the_number_of_parameters(deepening_factor):
    """Table 3: WRN-40-2 with blocks of l 3x3 convolutions has 2.2 M parameters for each l."""
    network = WideResNetCIFAR(40, 2, (3,) * deepening_factor)
    assert parameters(network) == parameters(WideResNetCIFAR(40, 2))
    assert round(parameters(network) / 1e6, 1) == 2.2


def test_features_of_several_stages():
    network = WideResNetCIFAR(10, 2, out_indices=(0, 1, 2)).eval()
    x = torch.randn(2, 3, 32, 32)
    features = network(x)
    shapes = [tuple(f.shape) for f in features]
    assert shapes == [(2, 32, 32, 32), (2, 64, 16, 16), (2, 128, 8, 8)]
    assert features[0].min() < 0  # before any activation
    assert features[2].min() == 0  # after the last one
    last = WideResNetCIFAR(10, 2).eval()
    last.load_state_dict(network.state_dict())
    torch.testing.assert_close(last(x)[0], features[2], rtol=0, atol=0)
    assert network(torch.randn(1, 3, 20, 36))[2].shape == (1, 128, 5, 9)


def test_features_are_the_same_without_gradients():
    """In the same memory format, too, because callers use view()."""
    network = WideResNetCIFAR(10, 2, out_indices=(0, 1, 2)).eval()
    x = torch.rand(2, 3, 32, 32)
    expected = network(x)
    with torch.no_grad():
        for ours, theirs in zip(network(x), expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
            assert ours.stride() == theirs.stride()


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(depth=27), r'depth must be 6n \+ 4 with n >= 1, such as 16, not 27'),
        (dict(depth=4), 'depth must be'),
        (dict(depth=28, kernel_sizes=(3, 3, 3)), r'depth must be 9n \+ 4'),
        (dict(kernel_sizes=(1, 1)), 'kernel_sizes must be 1 or 3, with at least one 3'),
        (dict(kernel_sizes=(5, 3)), 'kernel_sizes must be'),
        (dict(widen_factor=1.1), r'widen_factor=1.1 gives 17.6 channels'),
        (dict(widen_factor=-1), 'must be a positive number'),
        (dict(widen_factor='2'), "must be a positive number, not '2'"),
        (dict(strides=(1, 2)), 'strides must have 3 values, one per stage'),
        (dict(num_stages=4), 'strides must have 4 values, one per stage'),
        (dict(activate_before_residual=[True]), 'activate_before_residual must have 3 values'),
        (dict(conv_bias=1), "conv_bias must be True, False or 'stem', not 1"),
        (dict(out_indices=()), 'out_indices must be from 0 to 2'),
        (dict(out_indices=2), 'out_indices must be a list, not 2'),
        (dict(strides=2), 'strides must be a list, not 2'),
        (dict(kernel_sizes=3), 'kernel_sizes must be a list, not 3'),
        (dict(activate_before_residual=1), 'activate_before_residual must be a list'),
        (dict(depth='16'), "depth must be a whole number, not '16'"),
        (dict(depth=16, widen_factor=1 << 31), 'channels in the first stage .*; at most 2048 are'),
        (dict(depth=16_000), 'depth must be at most 2000, not 16000'),
        (dict(conv_bias='all'), "conv_bias must be True, False or 'stem', not 'all'"),
        (dict(frozen_stages=-5), 'frozen_stages must be from -1 to 3, not -5'),
        (dict(out_indices=(3,)), 'out_indices must be from 0 to 2'),
        (dict(frozen_stages=4), 'frozen_stages must be from -1 to 3'),
    ],
)
def test_invalid_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        WideResNetCIFAR(**{'depth': 16, 'widen_factor': 2, **kwargs})


def test_a_wrong_depth_is_a_key_error_as_in_mmpretrain():
    with pytest.raises(KeyError) as error:
        WideResNetCIFAR(27, 2)
    assert str(error.value) == 'depth must be 6n + 4 with n >= 1, such as 16, not 27'


@pytest.mark.parametrize(
    ('frozen_stages', 'parts'),
    [(-1, set()), (0, {'conv1'}), (1, {'conv1', 'layer1'}),
     (3, {'conv1', 'layer1', 'layer2', 'layer3', 'norm'})],
)  # fmt: skip
def test_frozen_stages(frozen_stages, parts):
    network = WideResNetCIFAR(10, 1, frozen_stages=frozen_stages)
    assert network.train() is network
    frozen = {n.split('.')[0] for n, p in network.named_parameters() if not p.requires_grad}
    assert frozen == parts
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network(torch.randn(2, 3, 16, 16))
    changed = {key for key, value in network.state_dict().items() if (value != before[key]).any()}
    assert not {key.split('.')[0] for key in changed} & parts


def test_strided_block_of_the_same_width_is_projected():
    network = WideResNetCIFAR(10, 1, strides=(2, 2, 2))
    assert network(torch.randn(1, 3, 32, 32))[0].shape == (1, 64, 4, 4)


def test_norm_eval():
    network = WideResNetCIFAR(10, 1, norm_eval=True).train()
    assert network.training
    assert not any(m.training for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert network.eval() is network


def test_features_before_the_last_norm():
    """They come before the features that the head takes, which are the same."""
    network = WideResNetCIFAR(10, 2, out_indices=(0, 2), out_before_norm=True).eval()
    x = torch.randn(2, 3, 32, 32)
    _, before, after = network(x)
    assert before.min() < 0
    torch.testing.assert_close(network.act(network.norm(before)), after, rtol=0, atol=0)


def test_activation_checkpointing_keeps_no_features():
    """It saves fewer tensors for the same gradients."""
    weights = WideResNetCIFAR(16, 2).state_dict()
    kept, gradients = [], []
    for with_cp in (False, True):
        network = WideResNetCIFAR(16, 2, with_cp=with_cp)
        network.load_state_dict(weights)
        amounts = []

        def keep(tensor, amounts=amounts):
            amounts.append(tensor.numel())
            return tensor

        x = torch.linspace(-1, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32).requires_grad_()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = network(x)[0].square().sum()
        kept.append(sum(amounts))
        gradients.append(torch.autograd.grad(loss, list(network.parameters())))
    torch.testing.assert_close(*gradients)
    assert kept[1] < kept[0] / 3
