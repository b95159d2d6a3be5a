"""Maps of where the score of a class comes from, compared with direct computations."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

import wrn
from wrn.inference.explanations import METHODS, Explainer
from wrn.inference.heat_map import overlay
from wrn_base.errors import WrnError

DIGITS = 'wide-resnet16-2_1xb64_digits'


@pytest.fixture(scope='module')
def digits():
    return wrn.get_model(DIGITS, True)


@pytest.fixture(scope='module')
def inputs():
    return torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def networks(digits, randomize):
    """The digits model, and a small network for ImageNet."""
    small = wrn.get_model(
        'wide-resnet50', backbone=dict(depth=18, base_channels=8), head=dict(in_channels=128)
    )
    return {'backbone.act': digits, 'backbone.layer4.1': randomize(small)}


def compute_directly(model, layer, inputs, labels):
    """Return the features of a layer and the gradients of the scores of classes by them."""
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(
        lambda _, __, output: kept.append(output)
    )
    scores = model(inputs)
    handle.remove()
    chosen = scores[torch.arange(len(inputs)), torch.tensor(labels)].sum()
    return kept[0].detach(), torch.autograd.grad(chosen, kept[0])[0]


@pytest.mark.parametrize('layer', [None, 'layer2', 'backbone.layer1.0'])
def test_maps_equal_a_direct_computation(networks, inputs, layer):
    for default, model in networks.items():
        images = inputs if default == 'backbone.act' else torch.randn(3, 3, 64, 64)
        name = {None: default, 'layer2': 'backbone.layer2'}.get(layer, layer)
        features, gradients = compute_directly(model, name, images, [7, 3, 5])
        gradcam = (gradients.mean((2, 3), keepdim=True) * features).sum(1)
        hirescam = (gradients * features).sum(1)
        for method, expected in (('gradcam', gradcam), ('hirescam', hirescam)):
            explainer = Explainer(model, method, layer)
            maps = explainer(images, [7, 3, 5])
            assert explainer.layer == name
            assert maps.dtype == np.float32
            assert np.abs(maps).max() > 0
            np.testing.assert_allclose(maps, expected, atol=1e-5 * expected.abs().max())
        if layer:  # behind the last block the gradient is the same everywhere
            assert not torch.allclose(gradcam, hirescam, atol=0.01 * gradcam.abs().max())


def test_hirescam_of_the_last_layer_sums_to_the_score(networks, inputs):
    """Each position of it is what the position adds to the score."""
    for default, model in networks.items():
        images = inputs if default == 'backbone.act' else torch.randn(3, 3, 64, 64)
        maps = Explainer(model, 'hirescam')(images, [7, 3, 5])
        with torch.no_grad():
            scores = (model(images) - model.head.fc.bias)[range(3), [7, 3, 5]]
        np.testing.assert_allclose(maps.sum((1, 2)), scores, rtol=1e-3, atol=1e-4)


def test_eigencam_is_the_first_principal_component(digits, inputs):
    maps = Explainer(digits, 'eigencam')(inputs, [0, 0, 0])
    features, _ = compute_directly(digits, 'backbone.act', inputs, [0, 0, 0])
    for found, values in zip(maps, features, strict=True):
        rows = values.flatten(1).T
        centered = rows - rows.mean(0)
        _, _, components = torch.linalg.svd(centered, full_matrices=False)
        expected = (centered @ components[0]).reshape(found.shape).numpy()
        sign = np.sign((expected * found).sum())
        np.testing.assert_allclose(found, sign * expected, atol=1e-4)
        assert found.max() == np.abs(found).max()


@pytest.mark.parametrize('method', METHODS)
def test_several_classes(digits, inputs, method):
    explainer = Explainer(digits, method)
    several = explainer(inputs, [[0, 1], [2, 3], [4, 5]])
    for k, labels in enumerate(([0, 2, 4], [1, 3, 5])):
        np.testing.assert_array_equal(several[:, k], explainer(inputs, labels))


@pytest.mark.parametrize('mode', [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize('method', METHODS)
def test_gradient_mode_of_the_caller_has_no_effect(digits, inputs, mode, method):
    expected = Explainer(digits, method)(inputs, [1, 2, 3])
    with mode():
        maps = Explainer(digits, method)(inputs + 0, torch.tensor([1, 2, 3]))
    np.testing.assert_array_equal(maps, expected)


def test_model_stays_as_it_was(inputs):
    model = wrn.get_model(DIGITS, True).train()
    model.backbone.layer1.eval()
    model.backbone.conv1.weight.requires_grad = False
    model.head.fc.bias.grad = torch.ones(10)
    seen = []
    model.backbone.act.register_forward_hook(lambda *_: seen.append(1))
    flags = [module.training for module in model.modules()]
    values = {key: value.clone() for key, value in model.state_dict().items()}
    hooks = [len(module._forward_hooks) for module in model.modules()]
    Explainer(model)(inputs, [1, 2, 3])
    assert flags == [module.training for module in model.modules()]
    assert hooks == [len(module._forward_hooks) for module in model.modules()]
    trainable = [name for name, weight in model.named_parameters() if not weight.requires_grad]
    assert trainable == ['backbone.conv1.weight']
    graded = [name for name, weight in model.named_parameters() if weight.grad is not None]
    assert graded == ['head.fc.bias']
    assert torch.equal(model.head.fc.bias.grad, torch.ones(10))
    assert all(torch.equal(value, values[key]) for key, value in model.state_dict().items())


def test_weights_are_shared(inputs):
    model = wrn.get_model(DIGITS, True)
    explainer = Explainer(model)
    before = explainer(inputs, [1, 2, 3])
    with torch.no_grad():
        model.head.fc.weight.mul_(2)
    np.testing.assert_allclose(explainer(inputs, [1, 2, 3]), 2 * before, atol=1e-6)


def test_frozen_weights(inputs):
    model = wrn.get_model(DIGITS, True)
    expected = Explainer(model)(inputs, [1, 2, 3])
    np.testing.assert_array_equal(
        Explainer(model.requires_grad_(False))(inputs, [1, 2, 3]), expected
    )


def test_fused_equals_eager(digits, inputs):
    fused = wrn.get_model(DIGITS, True, backend='fused')
    for method in METHODS:
        expected = Explainer(digits, method)(inputs, [1, 2, 3])
        np.testing.assert_allclose(Explainer(fused, method)(inputs, [1, 2, 3]), expected, atol=1e-5)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision(digits, inputs, dtype):
    half = wrn.get_model(DIGITS, True).to(dtype)
    maps = Explainer(half)(inputs.to(dtype), [1, 2, 3])
    expected = Explainer(digits)(inputs, [1, 2, 3])
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, expected, atol=0.05 * np.abs(expected).max())


def test_compiled_model_is_explained_by_its_original(digits, inputs):
    maps = Explainer(torch.compile(digits))(inputs, [1, 2, 3])  # compiles nothing
    np.testing.assert_array_equal(maps, Explainer(digits)(inputs, [1, 2, 3]))


def test_layer_that_is_changed_in_place(inputs):
    """The ReLU behind a norm of mmpretrain's ResNet works in place."""
    from mmpretrain import get_model

    model = get_model('resnet18_8xb16_cifar10').eval()
    features, gradients = None, None

    def keep(_, __, output):
        nonlocal features, gradients
        features = output.detach().clone()
        output.register_hook(lambda values: gradients.copy_(values))

    gradients = torch.empty(3, 64, 16, 16)
    handle = model.backbone.bn1.register_forward_hook(keep)
    model(inputs)[:, 4].sum().backward()
    handle.remove()
    maps = Explainer(model, 'hirescam', 'bn1')(inputs, [4, 4, 4])
    expected = (features * gradients).sum(1)
    assert (features < 0).any()
    np.testing.assert_allclose(maps, expected, atol=1e-5 * expected.abs().max())


@pytest.mark.parametrize(
    ('name', 'layer'),
    [
        ('resnet18_8xb16_cifar10', 'backbone.layer4.1'),
        ('mobilenet-v2_8xb32_in1k', 'backbone.conv2'),
        ('swin-tiny_16xb64_in1k', 'backbone.stages.2.downsample.adaptive_padding'),
    ],
)
def test_default_layer_of_other_backbones(name, layer):
    from mmpretrain import get_model

    explainer = Explainer(get_model(name).eval())
    maps = explainer(torch.randn(2, 3, 224, 224), [1, 2])
    assert explainer.layer == layer
    assert maps.shape[0] == 2
    assert np.abs(maps).max() > 0


def refuse(match, model, *args, **options):
    with pytest.raises(WrnError, match=match):
        Explainer(model, **options)(*args)


def test_refusals(digits, inputs):
    refuse(
        r"--layer 'layer33': .*did you mean 'layer3'\?", digits, inputs, [0] * 3, layer='layer33'
    )
    refuse(r"--layer 'x{80}': the network has no such", digits, inputs, [0] * 3, layer='x' * 1000)
    refuse(
        '--layer head.fc: its output is .3, 10., not a feature map',
        digits,
        inputs,
        [0] * 3,
        layer='head.fc',
    )
    refuse('--layer: its output is a tuple', digits, inputs, [0] * 3, layer='backbone')
    refuse(
        '--layer data_preprocessor: does not run',
        digits,
        inputs,
        [0] * 3,
        layer='data_preprocessor',
    )
    refuse(
        "--method 'gradcamm': must be one of .*; did you mean 'gradcam'",
        digits,
        inputs,
        [0] * 3,
        method='gradcamm',
    )
    refuse('class 10: out of range; the model has classes 0 to 9', digits, inputs, [0, 10, 0])
    refuse('class -1: out of range', digits, inputs, [0, -1, 0])
    refuse(
        'labels: are .2,., torch.int64; give the index of a class for each of 3 images',
        digits,
        inputs,
        [0, 1],
    )
    refuse('labels: are .3,., torch.float32', digits, inputs, [0.0, 1.0, 2.0])
    refuse(
        'inputs: are .3, 3, 16, 16., torch.uint8; give normalized', digits, inputs.byte(), [0] * 3
    )
    refuse('inputs: are .3, 16, 16.', digits, inputs[0], [0] * 3)
    refuse('the network computes NaN or infinite', digits, inputs * torch.nan, [0] * 3)
    refuse('Linear: not a model; give one', nn.Linear(1, 1), inputs, [0] * 3)
    refuse(
        'no head, so no class has a score', wrn.get_model(DIGITS, True, head=None), inputs, [0] * 3
    )


def test_threads_share_an_explainer(digits, inputs):
    """Without a lock, nearly all calls fail: the hooks of one see the passes of others."""
    explainer = Explainer(digits)
    expected = explainer(inputs, [1, 2, 3])
    with ThreadPoolExecutor(4) as pool:
        for maps in pool.map(lambda _: explainer(inputs, [1, 2, 3]), range(20)):
            np.testing.assert_array_equal(maps, expected)


def test_inputs_of_another_kind_are_refused(digits, inputs):
    refuse('inputs: are of type ndarray; give a tensor', digits, inputs.numpy(), [0] * 3)
    refuse('inputs: are of type list; give a tensor', digits, inputs.tolist(), [0] * 3)
    refuse('inputs: have 1 channel, but the network takes 3; give', digits, inputs[:, :1], [0] * 3)


@pytest.mark.parametrize('name', ['nix', 'data_preprocesor', 'fc'])
def test_only_layers_of_the_backbone_are_suggested(networks, name):
    for layer, model in zip(('layer3', 'layer4'), networks.values(), strict=True):
        refuse(f'the network has no such layer; give one such as {layer}, see', model, layer=name)
    refuse("no such layer; did you mean 'layer3'", networks['backbone.act'], layer='head.layr3')


def test_engines_without_gradients_are_refused(exported_digits):
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    onnx = wrn.get_model(DIGITS, True, backend='onnxruntime')
    refuse(r'a frozen graph \(onnxruntime\), which has no layers and no gradients; use', onnx)
    refuse(r'a frozen graph \(', wrn.get_model(exported_digits('onnx')))


def test_eigencam_of_a_large_map_is_refused(digits):
    refuse(
        'its map has 80x80 positions, and eigencam takes at most 4096; give a later',
        digits,
        torch.randn(1, 3, 80, 80),
        [0],
        method='eigencam',
        layer='layer1',
    )


def test_overlay():
    pixels = np.full((20, 40, 3), 100, np.uint8)
    raw = np.array([[2.0, 0], [-5, 0]], np.float32)
    drawn = overlay(pixels, raw, 1.0)
    assert drawn.shape == pixels.shape
    assert drawn.dtype == np.uint8
    assert drawn[0, 0].tolist() == [252, 255, 164]  # the end of matplotlib's inferno
    assert (drawn[15:] == 100).all()
    np.testing.assert_array_equal(overlay(pixels, 1e-30 * raw, 1.0), drawn)
    half = overlay(pixels, raw, 0.5)
    assert half[0, 0].tolist() == [176, 178, 132]
    np.testing.assert_array_equal(overlay(pixels, raw, 0), pixels)


def test_overlay_of_a_map_without_positive_values_is_the_image():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    for raw in (np.zeros((2, 2)), np.full((2, 2), -1.0)):
        drawn = overlay(pixels, raw)
        np.testing.assert_array_equal(drawn, pixels)
        assert drawn is not pixels


@pytest.mark.parametrize(
    ('pixels', 'raw', 'strength', 'match'),
    [
        (np.zeros((8, 8), np.uint8), np.zeros((2, 2)), 0.5, r'pixels: are \(8, 8\), uint8; give'),
        (np.zeros((8, 8, 3)), np.zeros((2, 2)), 0.5, 'pixels: are .* float64'),
        (np.zeros((8, 8, 3), np.uint8), np.full((2, 2), np.nan), 0.5, 'raw_map: .*; give finite'),
        (np.zeros((8, 8, 3), np.uint8), np.zeros(2), 0.5, r'raw_map: is \(2,\)'),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((2, 2)), 1.5, 'strength 1.5: must be from 0 to 1'),
    ],
)  # fmt: skip
def test_overlay_refuses(pixels, raw, strength, match):
    with pytest.raises(WrnError, match=match):
        overlay(pixels, raw, strength)
