"""The networks work with hooks, tracing, torch.func and copies, whatever their activation."""

import copy
import io
import pickle

import pytest
import torch
from torch import fx, nn
from torch.func import functional_call, grad, jvp, vmap
from torchvision.models.feature_extraction import create_feature_extractor

import wrn
from wrn import WideResNet, WideResNetCIFAR

VARIANTS = {
    'ReLU': dict(),
    'ReLU in place': dict(act_cfg=dict(type='ReLU', inplace=True)),
    'LeakyReLU': dict(act_cfg=dict(type='LeakyReLU', negative_slope=0.1, inplace=True)),
    'SiLU and group norms': dict(
        act_cfg=dict(type='SiLU', inplace=True), norm_cfg=dict(type='GN', num_groups=4)
    ),
    'GELU': dict(act_cfg=dict(type='GELU')),
    'no activation': dict(act_cfg=None),
}


def cifar(**kwargs):
    return WideResNetCIFAR(10, 1, **kwargs), torch.rand(2, 3, 8, 8)


def imagenet(depth=50, **kwargs):
    widths = dict(widen_factor=1, base_channels=8, stem_channels=8)
    stages = dict(num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(1,))
    # Else the blocks start as the identity, and their convolutions get no gradients.
    network = WideResNet(depth, **widths, **stages, zero_init_residual=False, **kwargs)
    return network, torch.rand(2, 3, 16, 16)


def basic(**kwargs):
    return imagenet(18, deep_stem=True, **kwargs)


every_network = pytest.mark.parametrize('build', [cifar, imagenet, basic])
every_variant = pytest.mark.parametrize('kwargs', VARIANTS.values(), ids=list(VARIANTS))
pytestmark = pytest.mark.filterwarnings(
    'ignore:`torch.jit.(trace|script|trace_method)` is deprecated:FutureWarning',
    'ignore:Converting a tensor to a Python boolean:torch.jit.TracerWarning',  # in torch's norms
    'ignore:NOTE. The nodes obtained by tracing:UserWarning',  # drop path, in training only
)


def gradients(network, x):
    network.zero_grad()
    network(x)[0].square().mean().backward()
    return [p.grad for p in (x, *network.parameters())]


@every_network
@every_variant
def test_full_backward_hooks_on_every_module(build, kwargs):
    """They run once each, change no gradient, and see what forward hooks see."""
    network, x = build(**kwargs)
    network.eval()
    x.requires_grad_()
    expected, x.grad = gradients(network, x), None
    calls, outputs = [], {}
    for name, module in network.named_modules():
        module.register_full_backward_hook(lambda *_, name=name: calls.append(name))
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            module.register_forward_hook(lambda _m, _i, out, name=name: outputs.update({name: out}))
    torch.testing.assert_close(gradients(network, x), expected, rtol=0, atol=0)
    assert len(calls) == len(set(calls)) == len(list(network.modules()))
    assert all(out.min() < 0 for name, out in outputs.items())  # no activation overwrote them


@every_network
@every_variant
@pytest.mark.parametrize('training', [True, False])
def test_fx_and_jit_tracing(build, kwargs, training):
    network, x = build(**kwargs)
    network.train(training)
    expected = network(x)[0]
    for graph in (fx.symbolic_trace(network), torch.jit.trace(network, x)):  # which checks itself
        torch.testing.assert_close(graph(x)[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('grad_enabled', [True, False])
def test_fx_without_gradients_and_a_trace_of_the_classifier(grad_enabled):
    network, x = cifar(channels_last=True, with_cp=True)
    model = wrn.get_model('wide-resnet16-2_1xb64_digits', True)
    with torch.set_grad_enabled(grad_enabled):
        torch.testing.assert_close(fx.symbolic_trace(network)(x), network(x))
        torch.testing.assert_close(torch.jit.trace(model, x)(x), model(x))


@every_network
def test_feature_extractors_of_torchvision(build):
    """The output of a norm is not that of the activation after it."""
    network, x = build()
    network.eval()
    norm = 'layer1.0.norm1' if build is cifar else 'layer1.0.bn1'
    features = create_feature_extractor(network, ['layer2', norm])(x)
    torch.testing.assert_close(features['layer2'], network.layer2(network.layer1(stem(network, x))))
    assert features[norm].min() < 0


def stem(network, x):
    if isinstance(network, WideResNetCIFAR):
        return network.conv1(x)
    x = network.stem(x) if network.deep_stem else network.relu(network.norm1(network.conv1(x)))
    return network.maxpool(x)


@every_network
@every_variant
def test_torch_func(build, kwargs):
    """Gradients of each sample, and a directional derivative, in double precision."""
    network, x = build(**kwargs)
    check_torch_func(network.double().eval(), x.double())


@every_network
def test_torch_func_with_channels_last(build):
    network, x = build(channels_last=True)
    check_torch_func(network.eval(), x, rtol=1e-3, atol=1e-4)


def check_torch_func(network, x, **tolerance):
    weights, buffers = dict(network.named_parameters()), dict(network.named_buffers())

    def loss(weights, x):
        return functional_call(network, (weights, buffers), (x[None],))[0].square().mean()

    each = vmap(grad(loss), in_dims=(None, 0))(weights, x)
    for i in range(len(x)):
        expected = torch.autograd.grad(loss(weights, x[i]), list(weights.values()))
        torch.testing.assert_close([g[i] for g in each.values()], list(expected), **tolerance)
    tangent = {name: torch.ones_like(value) for name, value in weights.items()}
    _, derivative = jvp(lambda weights: loss(weights, x[0]), (weights,), (tangent,))
    torch.testing.assert_close(derivative, sum(g[0].sum() for g in each.values()), **tolerance)
    with torch.no_grad():
        vmap(loss, in_dims=(None, 0))(weights, x)


@every_network
@every_variant
def test_copies(build, kwargs):
    network, x = build(**kwargs)
    network.eval()
    file = io.BytesIO()
    torch.save(network, file)
    file.seek(0)
    copies = (
        copy.deepcopy(network),
        pickle.loads(pickle.dumps(network)),
        torch.load(file, weights_only=False),
    )
    for other in copies:
        torch.testing.assert_close(other(x), network(x), rtol=0, atol=0)


def test_a_copy_of_the_classifier():
    model = wrn.get_model('wide-resnet16-2_1xb64_digits', True)
    x = torch.rand(2, 3, 16, 16)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(other(x), model(x), rtol=0, atol=0)
