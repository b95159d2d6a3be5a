"""Images of every kind are found and read; everything else gives a clear error."""

import io
import logging
import socket
import tarfile
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
    LeftOut,
    count_images,
    find_images,
    is_hidden,
    is_many,
    read,
    read_image,
)
from wrn.utils.errors import ImageReadError


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
    monkeypatch.setattr(read, '_SECONDS', 0.2)
    with socket.create_server(('127.0.0.1', 0)) as server:
        address = f'http://127.0.0.1:{server.getsockname()[1]}/x.jpg'
        with pytest.raises(ImageReadError, match=f'{address}: cannot be read .*timed out'):
            read_image(address)


@pytest.mark.parametrize('address', ['http://127.0.0.1:9/a b.jpg', 's3://bucket/x.jpg'])
def test_addresses_that_cannot_be_read(address):
    with pytest.raises(ImageReadError, match='cannot be read'):
        read_image(address)


@pytest.mark.parametrize('factor', [1, 256])
def test_pil_images_of_integers(factor):
    image = Image.fromarray(np.arange(256, dtype=np.int32).reshape(16, 16) * factor)
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


@pytest.mark.parametrize('values', [[0.0, 1.0], [-1, 5], [0, 70_000]])
def test_images_of_other_values_are_refused(tmp_path, values):
    pixels = np.array(values, np.float32 if isinstance(values[0], float) else np.int32)
    image = Image.fromarray(np.tile(pixels, (4, 1)))
    path = save(image, tmp_path / 'x.tif')
    for input_ in (image, path):
        with pytest.raises(ImageReadError, match='neither 8 nor 16 bits'):
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


def test_find_in_folders_and_patterns(tmp_path):
    names = ['b.png', 'a.JPG', 'notes.txt', 'deep/er/c.webp', '.hidden']
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'')
    paths = [str(tmp_path / name) for name in ('a.JPG', 'b.png', 'deep/er/c.webp')]
    assert list(find_images(tmp_path)) == paths
    assert list(find_images(f'{tmp_path}/*.png')) == [paths[1]]
    assert list(find_images(f'{tmp_path}/**/*.webp')) == [paths[2]]
    array = np.zeros((2, 2, 3), np.uint8)
    assert list(find_images([array, tmp_path, 'x.jpg'])) == [array, *paths, 'x.jpg']


@pytest.mark.parametrize(
    ('path', 'hidden'),
    [
        ('a.jpg', False),
        ('a/b.c/d.jpg', False),
        ('./a.jpg', False),
        ('../a.jpg', False),
        ('a/__MACOSX.jpg', False),
        ('.a.jpg', True),
        ('a/._b.jpg', True),
        ('.ipynb_checkpoints/a.jpg', True),
        ('a/.cache/b/c.jpg', True),
        ('__MACOSX/a.jpg', True),
        ('__MACOSX', True),
    ],
)
def test_hidden_paths(path, hidden):
    assert is_hidden(path) is hidden


IMAGES = ['a.JPG', 'b/1.png', 'deep/er/c.webp']
OTHERS = ['notes.txt', 'b/X.TXT', 'b/1.xmp', 'README', 'Thumbs.db']
HIDDEN = [
    'b/._1.png',
    '.ipynb_checkpoints/a.jpg',
    '__MACOSX/b/2.png',
    '__MACOSX/3.txt',
    '.DS_Store',
]
LEFT_OUT = 'left out 8 files: 3 hidden, 2 .txt, 1 .db, 1 .xmp, 1 without extension'


@pytest.fixture
def folder(tmp_path):
    for name in (*IMAGES, *OTHERS, *HIDDEN):
        path = tmp_path / '.data' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'')
    return tmp_path / '.data'  # the input itself may be hidden


def test_files_left_out_of_a_folder(folder):
    left_out = LeftOut()
    found = list(find_images(folder, left_out))
    assert found == [str(folder / name) for name in IMAGES]
    assert sorted(str(left_out).split(', ')) == sorted(LEFT_OUT.split(', '))
    assert count_images(folder) == 3


def test_files_left_out_of_an_archive(folder, tmp_path):
    with tarfile.open(tmp_path / 'x.tar', 'w') as archive:
        archive.add(folder, '.')
    left_out = LeftOut()
    found = find_images(tmp_path / 'x.tar', left_out)
    names = [image.name for image in found]
    assert sorted(names) == [f'{tmp_path}/x.tar/./{name}' for name in IMAGES]
    assert sorted(str(left_out).split(', ')) == sorted(LEFT_OUT.split(', '))
    counted = LeftOut()
    assert count_images([str(tmp_path / 'x.tar')], counted) == 3
    assert counted == left_out


def test_hidden_matches_of_a_pattern(folder):
    left_out = LeftOut()
    assert list(find_images(f'{folder}/**/*.png', left_out)) == [str(folder / 'b/1.png')]
    assert left_out == {'hidden': 1}  # glob matches no names that begin with a dot


def test_hidden_images_given_by_name(folder):
    paths = [str(folder / 'b/._1.png'), str(folder / '__MACOSX/b/2.png')]
    assert list(find_images(paths)) == paths
    assert list(find_images(str(folder / '__MACOSX'))) == paths[1:]


def test_the_number_of_files_left_out_is_logged(folder, caplog):
    with caplog.at_level(logging.INFO, 'wrn'):
        list(find_images([folder, folder / 'b']))
    (message,) = caplog.messages
    assert message.startswith('left out 11 files: 4 hidden, 3 .txt, 2 .xmp')
    caplog.clear()
    with caplog.at_level(logging.INFO, 'wrn'):
        list(find_images(folder / 'a.JPG'))
    assert not caplog.messages


def test_a_broken_link_is_left_out(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'')
    (tmp_path / 'b.png').symlink_to('none')
    left_out = LeftOut()
    assert list(find_images(tmp_path, left_out)) == [str(tmp_path / 'a.png')]
    assert str(left_out) == 'left out 1 file: 1 not a file'


def test_the_message_about_files_left_out_stays_short():
    left_out = LeftOut()
    for i in range(1000):
        left_out.add(f'scan.{i:04}')
    left_out.add('x.a\nb')
    assert left_out.total() == 1001
    assert len(left_out) == 21
    assert left_out['others'] == 981
    left_out = LeftOut()
    left_out.add('x.a\nb')
    assert str(left_out) == "left out 1 file: 1 '.a\\nb'"


def test_a_bracket_in_a_file_name_is_not_a_pattern(tmp_path):
    path = tmp_path / 'x[1].png'
    path.write_bytes(b'')
    assert list(find_images(path)) == [path]
    assert not is_many(path)


def test_nothing_found(tmp_path):
    with pytest.raises(ImageReadError, match='has no images'):
        list(find_images(tmp_path))
    with pytest.raises(ImageReadError, match='no file matches'):
        list(find_images(f'{tmp_path}/*.jpg'))


def test_single_and_many(tmp_path, photograph):
    assert not is_many(photograph)
    assert not is_many('https://host/x.jpg?a=[1]')
    assert not is_many(np.zeros((2, 2, 3), np.uint8))
    assert not is_many(Image.new('RGB', (2, 2)))
    assert is_many([photograph])
    assert is_many(tmp_path)
    assert is_many('*.jpg')
