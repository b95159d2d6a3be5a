"""The data of a PNG may not decompress to more than its pixels, of which libpng would take all."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from wrn.data.images import decode_image
from wrn.data.images.png import PixelDataError, check_pixel_data, drop_unused_chunks
from wrn_base.errors import ImageReadError


def chunk(kind, data=b''):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(size, data, depth=8, color=2, interlaced=0):
    """Encode a PNG of these data, in two chunks."""
    header = struct.pack('>IIBBBBB', *size, depth, color, 0, 0, interlaced)
    half = len(data) // 2
    parts = [(b'IHDR', header), (b'IDAT', data[:half]), (b'IDAT', data[half:]), (b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunk(*part) for part in parts)


@pytest.mark.parametrize('size', [(1, 1), (9, 1), (33, 5), (700, 500)])
@pytest.mark.parametrize('level', [0, 9])
@pytest.mark.parametrize('mode', ['1', 'P', 'L', 'LA', 'I;16', 'RGB', 'RGBA'])
def test_images_of_pillow_pass(mode, level, size):
    image = Image.effect_noise(size, 99)
    content = io.BytesIO()
    if mode == 'I;16':
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    image.save(content, 'PNG', compress_level=level)
    check_pixel_data(content.getvalue())
    assert drop_unused_chunks(content.getvalue(), gray=False)


@pytest.mark.parametrize('size', [(1, 1), (4, 4), (5, 5), (9, 3), (17, 30)])
def test_an_interlaced_image_has_the_bytes_of_its_passes(size):
    """Pillow decodes it only if each pass has its bytes, and we refuse one more byte."""
    from wrn.data.images import png as module

    number = module._pixel_bytes(png(size, b'', interlaced=1))
    whole = png(size, zlib.compress(bytes(number)), interlaced=1)
    assert Image.open(io.BytesIO(whole)).convert('RGB').getextrema() == ((0, 0),) * 3
    with pytest.raises(OSError, match='truncated'):
        Image.open(io.BytesIO(png(size, zlib.compress(bytes(number - 1)), interlaced=1))).load()


def test_compressed_data_that_are_longer_than_the_pixels_are_refused(capfd):
    content = png((16, 16), zlib.compress(bytes(16 << 20)))
    with pytest.raises(ImageReadError, match='more than the 784 bytes of its pixels'):
        decode_image(content, 'x')
    assert capfd.readouterr().err == ''


def test_short_data_that_decompress_to_more_than_the_pixels_are_refused():
    """They are shorter than the pixels, so they have to be decompressed, up to the pixels."""
    size = 200, 200
    pixels = np.random.default_rng(0).bytes(200 * 601)
    check_pixel_data(png(size, zlib.compress(pixels)))
    with pytest.raises(PixelDataError, match='more than the 120200 bytes of its pixels'):
        check_pixel_data(png(size, zlib.compress(pixels + b'0')))
    check_pixel_data(png(size, b'x' * 50_000))  # damaged, which the decoder reports
