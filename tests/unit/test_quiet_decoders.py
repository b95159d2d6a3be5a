"""Decoders print nothing about images, and raise no warnings of their own."""

import io

import numpy as np
import pytest
from PIL import Image

from wrn.data import LoadRandomResizedCrop
from wrn.data.images import LoadImage, decode_image

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


def encode(format, **options):
    content = io.BytesIO()
    Image.fromarray(PIXELS).save(content, format, **options)
    return content.getvalue()


FRAMES = dict(save_all=True, append_images=[Image.fromarray(PIXELS[::-1])])


@pytest.mark.parametrize('pixels', [1500, 100])  # Pillow would warn of the image, or refuse it
@pytest.mark.parametrize('format', ['GIF', 'JPEG', 'PNG', 'TIFF', 'WEBP', 'AVIF', 'JPEG2000'])
def test_the_bound_is_ours(format, pixels, monkeypatch, tmp_path):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', pixels)
    content = encode(format, **(FRAMES if format == 'GIF' else {}))
    assert decode_image(content, 'x').shape == (40, 50, 3)
    (tmp_path / 'x').write_bytes(content)
    for step in (
        LoadImage(imdecode_backend='pillow'),
        LoadRandomResizedCrop(scale=8, crop_ratio_range=(0.5, 1)),
    ):
        assert step(dict(img_path=str(tmp_path / 'x')))['img'].shape[2] == 3
    warning = Image.DecompressionBombWarning if pixels > 1000 else Image.DecompressionBombError
    with pytest.raises(warning):  # elsewhere the bound is Pillow's
        Image.open(io.BytesIO(content))
