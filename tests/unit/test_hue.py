"""Hues are shifted up and down, with any version of numpy."""

import mmcv
import numpy as np
import pytest
from mmpretrain.registry import TRANSFORMS
from PIL import Image
from torchvision.transforms.v2.functional import adjust_hue

import wrn  # noqa: F401 - mends mmcv

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize('factor', [-0.5, -0.2, -0.001, 0, 0.3, 0.5])
def test_pillow_shifts_as_torchvision_does(factor):
    expected = adjust_hue(Image.fromarray(PIXELS[..., ::-1]), factor)
    found = mmcv.adjust_hue(PIXELS, factor, backend='pillow')
    np.testing.assert_array_equal(found[..., ::-1], expected)


@pytest.mark.parametrize('factor', [-0.5, -0.2, -0.001])
def test_opencv_shifts_down_as_far_as_pillow(factor):
    """The two differ by their rounding of hue, saturation and value."""
    found = mmcv.adjust_hue(PIXELS, factor).astype(int)
    expected = mmcv.adjust_hue(PIXELS, factor, backend='pillow')
    unshifted = mmcv.adjust_hue(PIXELS, 0).astype(int) - mmcv.adjust_hue(PIXELS, 0, 'pillow')
    assert abs(found - expected).mean() < abs(unshifted).mean() + 0.1


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
def test_color_jitter(backend):
    jitter = TRANSFORMS.build(dict(type='ColorJitter', hue=0.5, backend=backend))
    for seed in range(10):  # half of the factors are negative
        np.random.seed(seed)
        assert jitter({'img': PIXELS})['img'].shape == PIXELS.shape


def test_factors_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r'0\.6 is not in'):
        mmcv.adjust_hue(PIXELS, -0.6)
