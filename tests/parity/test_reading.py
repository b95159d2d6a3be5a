"""Each option of the reading step gives mmpretrain's pixels, in prediction and in training."""

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmpretrain.registry import TRANSFORMS
from PIL import Image

from wrn.data import CheckedReading
from wrn.data.images import Preprocessing, Reading, decode_image, read_image
from wrn_base.errors import ImageReadError

REST = [dict(type='Resize', scale=(16, 12)), dict(type='PackInputs')]


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp('files')
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (20, 30, 3), np.uint8)
    deep = rng.integers(0, 1 << 16, (20, 30, 3), np.uint16)
    image = Image.fromarray(rgb)
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, mode, options in (
        ('rgb.png', 'RGB', {}),
        ('gray.png', 'L', {}),
        ('palette.png', 'P', {}),
        ('1.png', '1', {}),
        ('la.png', 'LA', {}),
        ('rgb.jpg', 'RGB', dict(exif=exif)),
        ('gray.jpg', 'L', {}),
        ('cmyk.jpg', 'CMYK', {}),
        ('rgb.tif', 'RGB', {}),
        ('la.tif', 'LA', {}),
        ('rgb.bmp', 'RGB', {}),
        ('rgb.webp', 'RGB', dict(lossless=True)),
        ('gray.pgm', 'L', {}),
    ):
        image.convert(mode).save(folder / name, **options)
    alpha = image.convert('RGBA')
    alpha.putalpha(Image.fromarray(rgb[..., 0]))
    for name in ('alpha.png', 'alpha.webp', 'alpha.tif'):
        alpha.save(folder / name)
    image.convert('P').save(folder / 'transparent.png', transparency=3)
    for name in ('deep.png', 'deep.tif', 'deep.ppm'):
        cv2.imwrite(str(folder / name), deep)
    for name in ('deep gray.png', 'deep gray.tif'):
        cv2.imwrite(str(folder / name), deep[..., 0])
    cv2.imwrite(str(folder / 'twelve.png'), deep[..., 0] >> 4)
    return sorted(folder.iterdir())


# mmcv's Pillow backend turns these white: docs/data.md.
WIDE = ('deep gray.png', 'deep gray.tif', 'twelve.png')
COLOR_TYPES = [
    *('color', 'grayscale', 'unchanged'),
    *('color_ignore_orientation', 'grayscale_ignore_orientation'),
]


@pytest.mark.parametrize('to_float32', [False, True])
@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('color_type', COLOR_TYPES)
def test_pixels_and_pipeline(files, color_type, backend, to_float32):
    load = dict(
        type='LoadImageFromFile',
        color_type=color_type,
        imdecode_backend=backend,
        to_float32=to_float32,
    )
    dataset = dict(type='CustomDataset', pipeline=[load, *REST])
    preprocessing = Preprocessing(Config(dict(test_dataloader=dict(dataset=dataset))))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        theirs = LoadImageFromFile(to_float32, color_type, backend)
        by_opencv = LoadImageFromFile(to_float32, color_type, 'cv2')
        training = CheckedReading(load)
        pipeline = Compose([training, *map(TRANSFORMS.build, REST)])
    compared = 0
    for path in files:
        wide = path.name in WIDE and color_type != 'unchanged'
        expected = (by_opencv if wide else theirs)(dict(img_path=str(path)))['img']
        pixels = read_image(path, preprocessing.reading)
        assert pixels.dtype == expected.dtype, path
        np.testing.assert_array_equal(pixels, expected, str(path))
        np.testing.assert_array_equal(training(dict(img_path=str(path)))['img'], expected)
        if pixels.dtype == bool:  # which neither pipeline resizes
            continue
        inputs = pipeline(dict(img_path=str(path)))['inputs']
        ours = torch.from_numpy(np.ascontiguousarray(preprocessing(pixels))).permute(2, 0, 1)
        assert torch.equal(ours, inputs), path
        compared += 1
    assert compared >= len(files) - 1


def tiff(values):
    """Encode an array as a TIFF, with OpenCV for the types that Pillow does not write."""
    return cv2.imencode('.tif', values)[1].tobytes()


SIGNED = np.arange(-200, 200, dtype=np.int16).reshape(20, 20)
REFUSED = {
    'signed': SIGNED,
    'signed color': np.dstack([SIGNED] * 3),
    'float': np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20),
    'float color': np.random.default_rng(0).random((20, 20, 3), np.float32),
    'double': np.linspace(0, 1, 400).reshape(20, 20),
    'signed bytes': np.arange(-100, 100, dtype=np.int8).reshape(10, 20),
}


@pytest.mark.parametrize('color_type', ['color', 'grayscale'])
@pytest.mark.parametrize('name', REFUSED)
def test_values_that_opencv_wraps_or_clips_are_refused_by_all(tmp_path, name, color_type):
    path = tmp_path / 'x.tif'
    path.write_bytes(tiff(REFUSED[name]))
    load = dict(type='LoadImageFromFile', color_type=color_type)
    for read in (
        lambda: read_image(path),
        lambda: decode_image(path.read_bytes(), str(path)),
        lambda: CheckedReading(load)(dict(img_path=str(path))),
    ):
        with pytest.raises(ImageReadError, match='give it to LoadImage'):
            read()
    # A range that the user states makes each of them readable.
    values = REFUSED[name]
    low, high = float(values.min()), float(values.max())
    step = CheckedReading(dict(type='LoadImage', value_range=(low, high), color_type='color'))
    pixels = step(dict(img_path=str(path)))['img']
    expected = np.atleast_3d((values.astype(float) - low) / (high - low) * 255).round()
    np.testing.assert_array_equal(pixels, np.broadcast_to(expected, pixels.shape))
    assert pixels.dtype == np.uint8


def test_unsigned_values_in_a_signed_tiff(tmp_path):
    values = np.arange(0, 1 << 15, 1 << 7, dtype=np.int16).reshape(16, 16)
    (tmp_path / 'x.tif').write_bytes(tiff(values))
    np.testing.assert_array_equal(read_image(tmp_path / 'x.tif')[..., 0], values >> 8)


@pytest.mark.parametrize('color_type', ['color', 'grayscale'])
@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('white', [1, 15, 100, 254, 255, 256, 510, 4095, 65534])
@pytest.mark.parametrize('kind', ['P2', 'P3', 'P5', 'P6'])
def test_white_is_what_the_header_states(tmp_path, rng, kind, white, backend, color_type):
    """Files give the pixels of the images that Pillow reads from them."""
    values = rng.integers(0, white + 1, (8, 5, 3 if kind in ('P3', 'P6') else 1))
    values[:2] = [[[0]], [[white]]]
    header = f'{kind}\n# a comment\n5 8\n{white}\n'.encode()
    if kind in ('P2', 'P3'):
        content = header + ' '.join(map(str, values.ravel())).encode() + b'\n'
    else:
        content = header + values.astype('>u2' if white > 255 else 'u1').tobytes()
    path = tmp_path / 'x.pnm'
    path.write_bytes(content)
    load = dict(type='LoadImageFromFile', color_type=color_type, imdecode_backend=backend)
    training = CheckedReading(load)
    pixels = read_image(path, training.inner.reading)
    np.testing.assert_array_equal(training(dict(img_path=str(path)))['img'], pixels)
    assert (pixels.min(), pixels.max()) == (0, 255)
    expected = read_image(Image.open(path), Reading(color_type))
    # mmcv's Pillow backend has its own rounding of gray.
    gray = color_type == 'grayscale' and values.shape[2] == 3
    np.testing.assert_allclose(pixels, expected, atol=1 if gray else 0)


def test_white_of_a_range_that_the_user_states_and_of_unchanged_values(tmp_path):
    values = np.arange(0, 400, 4, dtype='>u2').reshape(10, 10)
    (tmp_path / 'x.pgm').write_bytes(b'P5 10 10 1000\n' + values.tobytes())
    for options, expected in (
        (dict(), values / 1000 * 65535 // 256),
        (dict(value_range=(0, 510)), values / 2),
        (dict(color_type='unchanged'), values),
    ):
        step = CheckedReading(dict(type='LoadImage', **options))
        pixels = step(dict(img_path=str(tmp_path / 'x.pgm')))['img']
        np.testing.assert_array_equal(np.atleast_3d(pixels)[..., 0], expected)
