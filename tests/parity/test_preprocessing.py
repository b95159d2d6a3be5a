"""A picture reaches the network as the weights' authors prepared it, pixel for pixel."""

import pytest
import timm
import torch
from PIL import Image
from torchvision import transforms
from torchvision.models import Wide_ResNet50_2_Weights

import wrn
from wrn.inference import Predictor

SIZES = [(640, 427), (427, 640), (225, 300), (1, 1), (31, 500), (224, 224)]


@pytest.fixture(params=SIZES, ids=lambda size: 'x'.join(map(str, size)))
def picture(request, photograph):
    return Image.open(photograph).convert('RGB').resize(request.param)


def prepare(config: str, picture) -> torch.Tensor:
    """Run our pipeline and preprocessor; (3, H, W)."""
    model = wrn.get_model(config)
    data = Predictor(model)._prepare(picture)
    return model.data_preprocessor(dict(inputs=[data['inputs']]))['inputs'][0]


def test_torchvision_v1(picture):
    expected = Wide_ResNet50_2_Weights.IMAGENET1K_V1.transforms()(picture)
    ours = prepare('configs/wrn/wide-resnet50_8xb32_in1k.py', picture)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


def test_timm_racm(picture):
    config = timm.get_pretrained_cfg('wide_resnet50_2.racm_in1k')
    expected = transforms.Compose(
        [
            # As timm sizes it: floor(224 / crop_pct), bicubic.
            transforms.Resize(int(224 / config.crop_pct), transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(config.mean, config.std),
        ]
    )(picture)
    ours = prepare('configs/wrn/wide-resnet50_timm_8xb32_in1k.py', picture)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


def test_a_jpeg_file_is_decoded_as_by_pillow(photographs):
    """The weights' authors decode with Pillow, mmpretrain with OpenCV: the pixels are the same."""
    transform = Wide_ResNet50_2_Weights.IMAGENET1K_V1.transforms()
    for path in photographs:
        ours = prepare('configs/wrn/wide-resnet50_8xb32_in1k.py', path)
        torch.testing.assert_close(ours, transform(Image.open(path)), rtol=0, atol=1e-5)
