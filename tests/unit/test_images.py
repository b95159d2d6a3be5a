"""Images of every kind are found and read; everything else gives a clear error."""

import io
import socket
import zlib

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import LoadImageFromFile
from PIL import Image

from wrn.data import CheckedReading, LoadRandomResizedCrop
from wrn.data.images import (
    EXTENSIONS,
    find_images,
    is_many,
    read_image,
)
from wrn.download import connection
from wrn_base.errors import ImageReadError


@pytest.fixture
def image(photograph):
    return Image.open(photograph).convert('RGB')


def save(image, path, **kwargs):
    image.save(path, **kwargs)
    return path


def test_the_same_pixels_as_in_mmpretrain(photographs):
    for path in photographs:
        expected = LoadImageFromFile()(dict(img_path=str(path)))['img']
        assert np.array_equal(read_image(path), expected)


def test_path_array_and_pil_agree(photograph, image):
    pixels = read_image(photograph)
    assert np.array_equal(read_image(str(photograph)), pixels)
    assert np.array_equal(read_image(image), pixels)
    assert np.array_equal(read_image(pixels), pixels)


@pytest.mark.parametrize(
    ('mode', 'extension'),
    # Not TIFF with opacity: OpenCV, and therefore mmpretrain, blends it with black.
    [(mode, 'png') for mode in ('L', 'RGBA', 'P', '1', 'LA')]
    + [(mode, 'tif') for mode in ('L', 'P', '1')],
)
def test_modes(image, tmp_path, mode, extension):
    if mode == 'RGBA':
        image.putalpha(128)
    elif mode == 'LA':
        image = image.convert('LA')
    else:
        image = image.convert(mode)
    path = save(image, tmp_path / f'x.{extension}')
    expected = np.asarray(image.convert('RGB'))[..., ::-1]
    assert np.array_equal(read_image(path), expected)
    assert np.array_equal(read_image(image), expected)


def test_cmyk(image, tmp_path):
    path = save(image.convert('CMYK'), tmp_path / 'x.jpg', quality=95)
    pixels = read_image(path)
    expected = np.asarray(Image.open(path).convert('RGB'))[..., ::-1]
    # OpenCV and Pillow round the conversion from CMYK differently.
    assert np.abs(pixels.astype(int) - expected).max() <= 1
    assert np.abs(pixels.astype(int) - read_image(image)).mean() < 3


@pytest.mark.parametrize('extension', ['png', 'tif'])
@pytest.mark.parametrize('channels', [1, 3])
def test_16_bit(image, tmp_path, extension, channels):
    pixels = read_image(image)
    deep = (pixels[..., 0] if channels == 1 else pixels).astype(np.uint16) * 257
    path = tmp_path / f'x.{extension}'
    cv2.imwrite(str(path), deep)
    expected = np.repeat(pixels[..., :1], 3, axis=2) if channels == 1 else pixels
    assert np.array_equal(read_image(path), expected)
    assert np.array_equal(read_image(deep), expected)
    if channels == 1:
        assert np.array_equal(read_image(Image.open(path)), expected)


@pytest.mark.parametrize('opencv', [True, False], ids=['opencv', 'pillow'])
@pytest.mark.parametrize('extension', EXTENSIONS)
def test_each_format_in_prediction_and_training(image, tmp_path, monkeypatch, extension, opencv):
    """OpenCV before version 5 may not read AVIF and GIF, so Pillow must give the same pixels."""
    Image.init()
    format = Image.registered_extensions()[extension]
    path = save(image.resize((64, 48)), tmp_path / f'x{extension}', format=format)
    expected = np.asarray(Image.open(path).convert('RGB'))[..., ::-1]
    if not opencv:
        monkeypatch.setattr(cv2, 'imdecode', lambda *args: None)
    assert np.array_equal(read_image(path), expected)
    sample = CheckedReading(dict(type='LoadImageFromFile'))(dict(img_path=str(path)))
    assert np.array_equal(sample['img'], expected)
    assert sample['img_shape'] == sample['ori_shape'] == expected.shape[:2]
    crop = LoadRandomResizedCrop(expected.shape[:2], crop_ratio_range=(1, 1), max_attempts=0)
    assert np.array_equal(crop(dict(img_path=str(path)))['img'], expected)


def test_training_reads_32_bit_tiff_as_prediction_does(tmp_path):
    values = np.arange(0, 1 << 16, 1 << 8, dtype=np.int32).reshape(16, 16)
    path = save(Image.fromarray(values), tmp_path / 'x.tif')
    sample = CheckedReading(dict(type='LoadImageFromFile'))(dict(img_path=str(path)))
    assert np.array_equal(sample['img'], read_image(path))
    assert sample['img'][..., 0].ravel().tolist() == list(range(256))


@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientation(image, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(image, tmp_path / 'x.jpg', exif=exif, quality=95)
    upright = read_image(path)
    assert upright.shape[:2] == ((427, 640) if orientation < 5 else (640, 427))
    assert np.array_equal(read_image(Image.open(path)), upright)


def test_one_pixel(tmp_path):
    path = save(Image.new('RGB', (1, 1), (10, 20, 30)), tmp_path / 'x.png')
    assert read_image(path).tolist() == [[[30, 20, 10]]]


@pytest.mark.parametrize('shape', [(5, 4), (5, 4, 1), (5, 4, 3), (5, 4, 4)])
def test_array_shapes(shape, rng):
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    read = read_image(pixels)
    assert read.shape == (5, 4, 3)
    assert np.array_equal(read[..., 0], pixels.reshape(5, 4, -1)[..., 0])


@pytest.mark.parametrize(
    ('array', 'message'),
    [
        (np.zeros((3, 5, 7), np.uint8), r'shape \(3, 5, 7\); expected \(H, W, 3\)'),
        (np.zeros((5, 4, 2), np.uint8), 'shape'),
        (np.zeros((0, 4, 3), np.uint8), 'shape'),
        (np.zeros(5, np.uint8), 'shape'),
        (np.zeros((5, 4, 3), np.float32), 'float32; expected uint8 from 0 to 255'),
    ],
)
def test_wrong_arrays(array, message):
    with pytest.raises(ImageReadError, match=message):
        read_image(array)


def jpeg(image):
    content = io.BytesIO()
    image.save(content, 'JPEG')
    return content.getvalue()


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (lambda image: b'', 'the file is empty'),
        (lambda image: b'some text', 'not an image; the known formats are'),
        (lambda image: jpeg(image)[:10_000], 'the image is damaged'),
        (lambda image: jpeg(image)[:100], 'the image is damaged|not an image'),
    ],
    ids=['empty', 'text', 'truncated', 'header'],
)
def test_files_that_are_not_images(tmp_path, image, content, message):
    path = tmp_path / 'x.jpg'
    path.write_bytes(content(image))
    with pytest.raises(ImageReadError, match=message) as error:
        read_image(path)
    assert str(error.value).startswith(str(path))


def test_a_pil_image_of_a_truncated_file(tmp_path, image):
    path = tmp_path / 'x.jpg'
    path.write_bytes(jpeg(image)[:10_000])
    with Image.open(path) as lazy, pytest.raises(ImageReadError, match='damaged'):
        read_image(lazy)


def test_an_image_too_large_to_decode(tmp_path, image):
    content = io.BytesIO()
    image.save(content, 'PNG')
    header = bytearray(content.getvalue())
    header[16:24] = (60_000).to_bytes(4, 'big') * 2
    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, 'big')
    (tmp_path / 'x.png').write_bytes(header)
    with pytest.raises(ImageReadError, match='damaged or too large'):
        read_image(tmp_path / 'x.png')


def test_a_server_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(connection, 'TIMEOUT', 0.2)
    with socket.create_server(('127.0.0.1', 0)) as server:
        address = f'http://127.0.0.1:{server.getsockname()[1]}/x.jpg'
        with pytest.raises(
            ImageReadError, match=f'{address}: cannot be downloaded .*did not answer'
        ):
            read_image(address)


@pytest.mark.parametrize('address', ['http://127.0.0.1:9/a b.jpg', 's3://bucket/x.jpg'])
def test_addresses_that_cannot_be_read(address):
    with pytest.raises(ImageReadError, match=r'cannot be (read|downloaded)'):
        read_image(address)


def test_pil_images_of_integers():
    image = Image.fromarray(np.arange(256, dtype=np.int32).reshape(16, 16) * 256)
    assert image.mode == 'I'
    assert read_image(image)[..., 0].ravel().tolist() == list(range(256))


def test_a_dark_16_bit_image(tmp_path):
    path = tmp_path / 'x.png'
    cv2.imwrite(str(path), np.full((4, 4), 199, np.uint16))
    assert read_image(path).max() == read_image(Image.open(path)).max() == 0


def test_a_name_too_long():
    with pytest.raises(ImageReadError, match=r'cannot be read .*too long'):
        list(find_images('a' * 300))
    assert not is_many('a' * 300)


@pytest.mark.parametrize('values', [[0.0, 1.0], [-1, 500], [0, 255], [0, 70_000]])
def test_images_of_other_values_are_refused(tmp_path, values):
    pixels = np.array(values, np.float32 if isinstance(values[0], float) else np.int32)
    image = Image.fromarray(np.tile(pixels, (4, 1)))
    path = save(image, tmp_path / 'x.tif')
    for input_ in (image, path):
        with pytest.raises(ImageReadError, match=f'{values[0]:g} to {values[1]:g}, is unknown'):
            read_image(input_)


@pytest.mark.parametrize(
    'extension', ['png', 'tif', 'bmp', 'gif', 'webp', 'jpg', 'avif', 'jp2', 'pgm']
)
def test_decoders_print_nothing_about_truncated_files(tmp_path, image, extension, capfd):
    path = save(image, tmp_path / f'x.{extension}')
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageReadError, match=r'damaged|not an image'):
        read_image(path)
    assert capfd.readouterr() == ('', '')


@pytest.mark.parametrize('inputs', [7, None, b'bytes', torch.zeros(3, 4, 4), ''])
def test_inputs_that_are_not_images(inputs):
    with pytest.raises(ImageReadError, match='not an image; give a path'):
        list(find_images(inputs))


def test_missing_file(tmp_path):
    with pytest.raises(ImageReadError, match='No such file'):
        read_image(tmp_path / 'none.jpg')


def test_unknown_scheme():
    with pytest.raises(ImageReadError, match="unknown scheme 'gopher'; give an http URL"):
        read_image('gopher://host/x.jpg')
