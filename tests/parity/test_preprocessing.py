"""Preprocessing equals that of the weights' authors, pixel for pixel."""

import pytest
import timm
import torch
from PIL import Image
from torchvision.models import Wide_ResNet50_2_Weights, Wide_ResNet101_2_Weights

import wrn
from wrn.inference import Predictor

SIZES = [(640, 427), (427, 640), (225, 300), (1, 1), (31, 500), (224, 224)]


@pytest.fixture(params=SIZES, ids=lambda size: 'x'.join(map(str, size)))
def image(request, photograph):
    return Image.open(photograph).convert('RGB').resize(request.param)


def preprocess(config: str, image) -> torch.Tensor:
    """Run our pipeline and preprocessor; (3, H, W)."""
    model = wrn.get_model(config)
    ((inputs,), _) = next(Predictor(model).batches([image]))
    return inputs[0]


def test_torchvision_v1(image):
    expected = Wide_ResNet50_2_Weights.IMAGENET1K_V1.transforms()(image)
    ours = preprocess('configs/wrn/wide-resnet50_8xb32_in1k.py', image)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ('weights', 'name'),
    [
        (Wide_ResNet50_2_Weights.IMAGENET1K_V2, 'wide-resnet50_3rdparty-torchvision-v2_8xb32_in1k'),
        (
            Wide_ResNet101_2_Weights.IMAGENET1K_V2,
            'wide-resnet101_3rdparty-torchvision-v2_8xb32_in1k',
        ),
    ],
)
def test_torchvision_v2(image, weights, name):
    expected = weights.transforms()(image)
    torch.testing.assert_close(preprocess(name, image), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize('name', timm.list_pretrained('wide_resnet*'))
def test_timm(image, name):
    """At the test size of timm, except for racm, which is also published at 224 pixels."""
    expected = timms_transform(name, use_test_size='racm' not in name)(image)
    torch.testing.assert_close(preprocess(name, image), expected, rtol=0, atol=1e-5)


def test_timm_racm_at_288_pixels(image):
    expected = timms_transform('wide_resnet50_2.racm_in1k', use_test_size=True)(image)
    ours = preprocess('wide-resnet50_3rdparty-timm_8xb32_in1k-288px', image)
    assert ours.shape == (3, 288, 288)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


def timms_transform(name: str, use_test_size: bool):
    config = timm.data.resolve_data_config(
        pretrained_cfg=timm.get_pretrained_cfg(name).to_dict(), use_test_size=use_test_size
    )
    return timm.data.create_transform(**config)


def test_a_jpeg_file_has_the_pixels_of_pillow(photographs):
    """The authors decode with Pillow, mmpretrain with OpenCV; the pixels are the same."""
    transform = Wide_ResNet50_2_Weights.IMAGENET1K_V1.transforms()
    for path in photographs:
        ours = preprocess('configs/wrn/wide-resnet50_8xb32_in1k.py', path)
        torch.testing.assert_close(ours, transform(Image.open(path)), rtol=0, atol=1e-5)
