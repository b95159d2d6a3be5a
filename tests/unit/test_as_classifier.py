"""A model from RGB images in [0, 1] to logits, differentiable with respect to the images."""

import numpy as np
import pytest
import sklearn.datasets
import torch
from torch.nn import functional

import wrn
from wrn_base.errors import WrnError

DIGITS = 'wide-resnet16-2_1xb64_digits'
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


@pytest.mark.parametrize('name', [DIGITS, 'wide-resnet18-1_8xb32_in1k'])
def test_same_scores_as_inference_model(name, rng):
    """Networks of RGB arrays, and of BGR files that the data preprocessor turns into RGB."""
    model = wrn.get_model(name, name == DIGITS)
    size = 16 if name == DIGITS else 256  # the crop of 224 pixels is taken here
    bgr = rng.integers(0, 256, (size, size, 3), np.uint8)
    expected = wrn.inference_model(model, bgr, channel_order='BGR')['pred_scores']
    crop = bgr if name == DIGITS else bgr[16:240, 16:240]
    images = torch.from_numpy(crop[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
    found = wrn.as_classifier(model)(images).softmax(1)[0].detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_a_compiled_model(rng):
    model = wrn.get_model(DIGITS, True)
    images = torch.rand(2, 3, 16, 16)
    compiled = wrn.as_classifier(torch.compile(model, backend='eager'))
    assert torch.equal(compiled(images), wrn.as_classifier(model)(images))
    with pytest.raises(WrnError, match=r'^Linear: not a model'):
        wrn.as_classifier(torch.nn.Linear(1, 1))


@torch.no_grad()
def test_normalization_of_torchvision(rng):
    model = wrn.get_model('wide-resnet18-1_8xb32_in1k')
    images = torch.rand(2, 3, 64, 64)
    mean, std = (torch.tensor(values).view(3, 1, 1) / 255 for values in (MEAN, STD))
    expected = model((images - mean) / std)
    torch.testing.assert_close(wrn.as_classifier(model)(images), expected, rtol=1e-4, atol=1e-5)


def test_a_step_of_pgd_raises_the_loss():
    model = wrn.as_classifier(wrn.get_model(DIGITS, True))
    digits = sklearn.datasets.load_digits()
    images = torch.from_numpy(digits.images[:32]).float()[:, None] / 16
    images = functional.interpolate(images, scale_factor=2).repeat(1, 3, 1, 1).requires_grad_()
    labels = torch.from_numpy(digits.target[:32])
    loss = functional.cross_entropy(model(images), labels)
    (gradient,) = torch.autograd.grad(loss, images)
    attacked = (images + 8 / 255 * gradient.sign()).clamp(0, 1)
    assert functional.cross_entropy(model(attacked), labels) > 2 * loss
    assert not model.training


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
@torch.no_grad()
def test_other_precisions(dtype):
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    expected = wrn.as_classifier(wrn.get_model(DIGITS, True))(images)
    model = wrn.as_classifier(wrn.get_model(DIGITS, True)).to(dtype)
    found = model(images.to(dtype))
    assert found.dtype == dtype
    tolerance = 1e-4 if dtype == torch.float64 else 0.1 * expected.abs().max()
    torch.testing.assert_close(found.float(), expected, rtol=1e-4, atol=float(tolerance))


def test_gradients_in_double_precision():
    model = wrn.as_classifier(wrn.get_model(DIGITS, True)).double()
    images = torch.rand(1, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda x: model(x)[:, :1], images, fast_mode=True)


@pytest.mark.parametrize(
    'images', [torch.ones(1, 3, 16, 16, dtype=torch.uint8), torch.ones(1, 1, 16, 16)]
)
def test_other_images_are_refused(images):
    with pytest.raises(WrnError, match=r'give floating-point images from 0 to 1, \(N, 3, H, W\)'):
        wrn.as_classifier(wrn.get_model(DIGITS))(images)


def test_models_without_gradients_or_head():
    for model in ('name', torch.nn.Linear(2, 2)):
        with pytest.raises(WrnError, match='not a model; give one from'):
            wrn.as_classifier(model)
    with pytest.raises(WrnError, match='runs in a backend, which has no gradients'):
        wrn.as_classifier(wrn.get_model(DIGITS, True, backend='fused'))
    with pytest.raises(WrnError, match='has no head'):
        wrn.as_classifier(wrn.get_model(DIGITS, head=None))
