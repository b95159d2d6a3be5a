"""Decoders print nothing about images, and raise no warnings of their own."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from mmcv.image.io import imread_flags
from PIL import ExifTags, Image, ImageCms

from wrn.data import LoadRandomResizedCrop
from wrn.data.images import LoadImage, Reading, decode_image
from wrn.data.images.header import read_header
from wrn.data.images.opencv import decode_by_opencv
from wrn.data.images.png import MAX_CHUNKS, drop_unused_chunks
from wrn_base.errors import ImageReadError

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


def encode(format, mode='RGB', **options):
    content = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(content, format, **options)
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


def chunk(kind, data=b''):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def insert(content, *chunks, before=b'IDAT'):
    place = content.index(before) - 4
    return content[:place] + b''.join(chunks) + content[place:]


DEEP = np.random.default_rng(1).integers(0, 1 << 16, (40, 50, 3), np.uint16)
PNGS = {mode: encode('PNG', mode) for mode in ('RGB', 'RGBA', 'P', 'L', 'LA', '1')}
PNGS |= {
    'opaque P': encode('PNG', 'P', transparency=3),
    'opaque RGB': encode('PNG', transparency=(1, 2, 3)),
    'animated': encode('PNG', **FRAMES),
    'RGB of 16 bits': cv2.imencode('.png', DEEP)[1].tobytes(),
    'L of 16 bits': cv2.imencode('.png', DEEP[..., 0])[1].tobytes(),
}
EXIF = Image.Exif()
EXIF[ExifTags.Base.Orientation] = 6
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
CHUNKS = {
    'gamma': chunk(b'gAMA', struct.pack('>I', 60000)),
    'sRGB': chunk(b'sRGB', b'\0'),
    'primaries': chunk(b'gAMA', struct.pack('>I', 60000))
    + chunk(b'cHRM', struct.pack('>8I', 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
    'profile': chunk(b'iCCP', b'x\0\0' + zlib.compress(ICC)),
    'background': chunk(b'bKGD', b'\0\1'),
    'resolution': chunk(b'pHYs', struct.pack('>IIB', 3, 2, 1)),
    'text': chunk(b'tEXt', b'a\0b') + chunk(b'zTXt', b'a\0\0' + zlib.compress(b'b')),
    'time': chunk(b'tIME', bytes((7, 230, 1, 1, 0, 0, 0))),
    'EXIF': chunk(b'eXIf', EXIF.tobytes()[6:]),
    'two of each': 2 * chunk(b'eXIf', EXIF.tobytes()[6:]) + 2 * chunk(b'gAMA', b'\0\1\0\0'),
}
FLAGS = [*imread_flags.values(), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH, cv2.IMREAD_ANYDEPTH]


def by_opencv(content, flag):
    return cv2.imdecode(np.frombuffer(content, np.uint8), flag)


@pytest.mark.parametrize('name', CHUNKS)
def test_chunks_that_are_left_out_change_no_pixel(name):
    left_out = 0
    for content in PNGS.values():
        for before in (b'PLTE', b'IDAT', b'IEND'):
            if before in content:
                whole = insert(content, CHUNKS[name], before=before)
                for flag in FLAGS:
                    gray = not flag & cv2.IMREAD_COLOR
                    short = drop_unused_chunks(whole, gray)
                    left_out += len(short) < len(whole)
                    np.testing.assert_array_equal(by_opencv(short, flag), by_opencv(whole, flag))
                    header = read_header(whole)
                    np.testing.assert_array_equal(
                        decode_by_opencv(whole, header, flag), by_opencv(whole, flag)
                    )
    assert left_out or name in ('background', 'EXIF')


CRAFTED = [
    chunk(b'zTXt', b'a\0\0' + zlib.compress(bytes(1000))[:-9]),
    chunk(b'iCCP', b'x\0\0' + zlib.compress(b'garbage' * 30)),
    chunk(b'tIME', b'1234') + chunk(b'pHYs', b'12') + chunk(b'sBIT', b'') + chunk(b'hIST', b''),
    chunk(b'tEXt', b'a\0b')[:-1] + b'x',  # a wrong checksum
    chunk(b'cHRM', bytes(32)),
    chunk(b'zzZz', b''),
]


def test_damaged_chunks_are_not_printed(capfd):
    content = insert(PNGS['RGB'], *(part for part in CRAFTED for _ in range(50)))
    np.testing.assert_array_equal(decode_image(content, 'x'), PIXELS[..., ::-1])
    decode_image(content, 'x', Reading('unchanged'))
    assert capfd.readouterr() == ('', '')
    decode_image(content, 'x', Reading('grayscale'))
    assert len(capfd.readouterr().err.splitlines()) <= 5  # one chunk of each kind may matter


def test_a_png_of_many_chunks_is_refused():
    content = insert(PNGS['RGB'], chunk(b'tEXt') * MAX_CHUNKS)
    with pytest.raises(ImageReadError, match='it has more than 131072 chunks'):
        decode_image(content, 'x')


@pytest.mark.parametrize('length', range(8, 200, 7))
def test_a_png_that_is_cut_off_is_left_as_it_is(length):
    content = insert(PNGS['L'], *CRAFTED)[:length]
    assert drop_unused_chunks(content, gray=False) == content
