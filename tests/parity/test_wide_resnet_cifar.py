"""The features and gradients of WideResNetCIFAR are those of the paper's formula."""

import pytest
import torch
from reference import Reference
from torch.nn import functional

from wrn import WideResNetCIFAR

BLOCKS = [(3, 3), (3, 1, 3), (1, 3, 1), (1, 3), (3, 1), (3, 1, 1), (3,), (3, 3, 3), (3, 3, 3, 3)]
TOLERANCE = dict(rtol=1e-9, atol=1e-10)  # double precision; sums may have another order
VARIANTS = {
    'no projection in the first stage': dict(reference=dict(widths=(4, 8, 16)), ours={}),
    'LeakyReLU': dict(
        reference=dict(activate=lambda x: functional.leaky_relu(x, 0.1)),
        ours=dict(act_cfg=dict(type='LeakyReLU', negative_slope=0.1)),
    ),
    'SiLU': dict(reference=dict(activate=functional.silu), ours=dict(act_cfg=dict(type='SiLU'))),
    'TensorFlow padding': dict(
        reference=dict(tensorflow_padding=True),
        ours=dict(conv_cfg=dict(type='Conv2dAdaptivePadding')),
    ),
    'inputs not activated': dict(
        reference=dict(activates=(True, False, False)),
        ours=dict(activate_before_residual=(True, False, False)),
    ),
    'biases': dict(reference=dict(biases=('all',)), ours=dict(conv_bias=True)),
    'bias of the stem': dict(reference=dict(biases=('stem',)), ours=dict(conv_bias='stem')),
    'epsilons': dict(
        reference=dict(eps=1e-2, last_eps=1e-1),
        ours=dict(norm_cfg=dict(type='BN', eps=1e-2), last_norm_cfg=dict(type='BN', eps=1e-1)),
    ),
    'four stages': dict(
        reference=dict(widths=(8, 16, 32, 64), strides=(2, 2, 2, 2)),
        ours=dict(num_stages=4, strides=(2, 2, 2, 2)),
    ),
    'checkpointing': dict(reference={}, ours=dict(with_cp=True)),
}


def build(reference, **kwargs):
    convs = len(reference.kernel_sizes) if set(reference.kernel_sizes) == {3} else 2
    return WideResNetCIFAR(
        depth=3 * convs * reference.blocks + 4,
        widen_factor=reference.widths[0] // reference.base,
        base_channels=reference.base,
        kernel_sizes=reference.kernel_sizes,
        out_indices=range(len(reference.widths)),
        **kwargs,
    ).double()


def compare(reference, **kwargs):
    """Compare features, and gradients of the input and every weight, with the reference."""
    weights = {key: value.double() for key, value in reference.random_weights().items()}
    network = build(reference, **kwargs).train(reference.training)
    backbone = {key: value for key, value in weights.items() if not key.startswith('fc.')}
    missing, unexpected = network.load_state_dict(backbone, strict=False)
    assert not unexpected
    assert all(key.endswith('num_batches_tracked') for key in missing)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, 3, 16, 16, generator=generator, dtype=torch.double).requires_grad_()
    parameters = dict(network.named_parameters())
    for key in parameters:
        weights[key].requires_grad_()
    ours, theirs = network(x), reference.features(x, weights)
    factors = [torch.randn(f.shape, generator=generator, dtype=torch.double) for f in theirs]
    gradients = []
    for features, inputs in (
        (ours, [x, *parameters.values()]),
        (theirs, [x, *(weights[key] for key in parameters)]),
    ):
        loss = sum((f * factor).sum() for f, factor in zip(features, factors, strict=True))
        gradients.append(torch.autograd.grad(loss, inputs, allow_unused=True))
    torch.testing.assert_close(list(ours), list(theirs), **TOLERANCE)
    for name, our, their in zip(['x', *parameters], *gradients, strict=True):
        assert (our is None) == (their is None), name
        if our is not None:
            torch.testing.assert_close(our, their, **TOLERANCE, msg=lambda m, n=name: f'{n}: {m}')
    assert features[-1].std() > 0.1  # the network is not dead


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('kernel_sizes', BLOCKS, ids=str)
@pytest.mark.parametrize('widths', [(8, 16, 32), (4, 8, 16)], ids=['projection', 'identity'])
def test_every_block_of_the_paper(kernel_sizes, widths, training):
    compare(Reference(kernel_sizes=kernel_sizes, widths=widths, training=training))


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('variant', VARIANTS)
def test_published_variants(variant, training):
    variant = VARIANTS[variant]
    compare(Reference(**variant['reference'], training=training), **variant['ours'])


def test_dropout_is_between_the_convolutions(monkeypatch):
    """After the activation and before the second convolution, as in the authors' code."""
    dropped = []
    monkeypatch.setattr(
        functional, 'dropout', lambda x, p, training, inplace: dropped.append((x, p)) or 0.5 * x
    )
    reference = Reference(training=True)
    weights = reference.random_weights()
    network = build(reference, drop_rate=0.3).float().train()
    network.load_state_dict(
        {k: v for k, v in weights.items() if not k.startswith('fc.')}, strict=False
    )
    x = torch.randn(2, 3, 16, 16)
    features = network(x)
    assert len(dropped) == 6
    assert all((x >= 0).all() and p == 0.3 for x, p in dropped)
    halved = {k: v / 2 if 'conv2' in k else v for k, v in weights.items()}
    torch.testing.assert_close(list(features), reference.features(x, halved), rtol=1e-4, atol=1e-4)
