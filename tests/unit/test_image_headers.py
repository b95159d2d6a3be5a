"""A header is read in bounded time, and no decoder takes another size than the one that is read."""

import io
import itertools
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from wrn.data import LoadRandomResizedCrop
from wrn.data.images import decode_image
from wrn.data.images.bounds import MAX_PARTS, bounded
from wrn.data.images.header import read_header
from wrn_base.errors import ImageReadError

SIDE = 32768
INTEGERS = {1: 'B3x', 3: 'H2x', 4: 'I', 8: 'h2x', 9: 'i'}


def encode(format, size=(230, 150), mode='RGB', **options):
    content = io.BytesIO()
    Image.new(mode, size).save(content, format, **options)
    return content.getvalue()


def tiff(*tags):
    """Encode tags, ``(tag, type, value)``, which may be there twice."""
    usual = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 8, 279: 64}
    for tag, _, _ in tags:
        usual.pop(tag, None)
    entries = [*((tag, 4, value) for tag, value in usual.items()), *tags]
    packed = [
        struct.pack(f'<HHI{INTEGERS[kind]}', tag, kind, 1, value)
        for tag, kind, value in sorted(entries, key=lambda entry: entry[0])
    ]
    return b'II*\0' + struct.pack('<IH', 8, len(packed)) + b''.join(packed) + bytes(100)


@pytest.mark.parametrize('values', [(SIDE, 8), (8, SIDE), (SIDE,)])
@pytest.mark.parametrize('kind', [4, 9])
@pytest.mark.parametrize('tags', [(256, 257), (322, 323)])
def test_the_largest_of_repeated_tags(monkeypatch, tags, kind, values):
    """libtiff takes the first of them, and Pillow the last."""
    monkeypatch.setattr(cv2, 'imdecode', lambda *args: pytest.fail('it is decoded'))
    content = tiff(*((tag, kind, value) for tag in tags for value in values))
    with pytest.raises(ImageReadError, match='32768x32768 pixels are more than'):
        decode_image(content, 'x.tif')


@pytest.mark.parametrize(
    'others', [((277, 1, 200), (277, 3, 1)), ((258, 8, 64), (258, 3, 8)), ((277, 1, 200),)]
)
def test_repeated_numbers_of_samples_and_bits(others):
    with pytest.raises(ValueError, match='pixels are more than'):
        read_header(tiff((256, 4, 9000), (257, 4, 9000), *others))


def png(*chunks):
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        for kind, data in chunks
    )


def ihdr(width, height):
    return struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)


def gif(*place):
    content = encode('GIF')
    return content.replace(
        b',' + bytes(4) + struct.pack('<HH', 230, 150), struct.pack('<c4H', b',', *place)
    )


PIXELS = (b'IDAT', zlib.compress(bytes(200))), (b'IEND', b'')
OTHERWISE = {
    'second IHDR': png((b'IHDR', ihdr(8, 8)), (b'IHDR', ihdr(12000, 12000)), *PIXELS),
    'frame of a GIF': gif(0, 0, 13000, 12000),
    'place of a frame': gif(12000, 12000, 230, 150),
    'box of a JPEG 2000': encode('JPEG2000').replace(
        struct.pack('>II', 150, 230), struct.pack('>II', 12500, 12500), 1
    ),
    'flags in an AVIF': encode('AVIF').replace(
        b'ispe' + struct.pack('>3I', 0, 230, 150), b'ispe' + struct.pack('>3I', 1, 12500, 12500)
    ),
    'overlap in an AVIF': b'\0\0\0\x18ftypavif' + b'ispe\0ispe' + struct.pack('>3I', 0, 12500, 12500),
    'comment of a PNM': b'P5 #\r12000 12000 255 #\n8 8 255\n' + bytes(64),
}  # fmt: skip


@pytest.mark.parametrize('name', OTHERWISE)
def test_a_size_that_is_stated_in_another_place(name):
    with pytest.raises(ImageReadError, match=r'\d+x\d+ pixels are more than 134217728'):
        decode_image(OTHERWISE[name], 'x.png')


@pytest.mark.parametrize(
    'content',
    [
        png((b'tEXt', ihdr(8, 8)), (b'IHDR', ihdr(12000, 12000)), *PIXELS),
        b'P5 1#\n2000 1#\n2000 255\n' + bytes(64),  # 1 for OpenCV, 12000 for Pillow
        b'P5 8 8 0\n' + bytes(64),
        b'P5 8 8 65536\n' + bytes(128),
        b'P5' + b' ' * (1 << 20) + b'8 8 255\n' + bytes(64),
        b'P5 ' + b'#\n' * (1 << 20) + b'8 8 255\n' + bytes(64),
    ],
)
def test_a_header_that_is_read_in_several_ways_or_is_long(content):
    with pytest.raises(ImageReadError, match='its header is cut off or not that of a'):
        decode_image(content, 'x.png')


def test_opencv_does_not_decode_avif(monkeypatch):
    """It takes gigabytes for a frame that is larger than the header states."""
    monkeypatch.setattr(cv2, 'imdecode', lambda *args: pytest.fail('it is decoded'))
    assert decode_image(encode('AVIF'), 'x.avif').shape == (150, 230, 3)


def test_parts_are_counted_and_not_kept():
    parts = itertools.count()
    with pytest.raises(ValueError, match=f'more than {MAX_PARTS} markers or boxes'):
        for _ in bounded(parts):
            pass
    assert next(parts) == MAX_PARTS + 1


@pytest.mark.parametrize(
    'content',
    [
        b'\xff\xd8\xff' + b'\xff\xc0\0\2' * 100_000,
        b'\xff\xd8' + b'\xff\xfe\0\2' * 100_000 + encode('JPEG')[2:],
        b'\xff\x4f\xff\x51' + struct.pack('>HH8IHB', 50, 0, 8, 8, 0, 0, 8, 8, 0, 0, 1, 7) * 2
        + b'\xff\x4f\xff\x51' * 100_000,
        encode('AVIF') + b'ispe\0' * 100_000,
    ],
    ids=['JPEG', 'comments', 'JPEG2000', 'AVIF'],
)  # fmt: skip
def test_a_file_of_many_parts(content, monkeypatch):
    monkeypatch.setattr(cv2, 'imdecode', lambda *args: pytest.fail('it is decoded'))
    monkeypatch.setattr(Image, 'open', lambda *args, **_: pytest.fail('it is opened'))
    with pytest.raises(ImageReadError, match=r'markers or boxes|pixels'):
        decode_image(content, 'x.jpg')


def test_a_jpeg_of_many_parts_is_not_opened_for_a_crop(tmp_path, monkeypatch):
    (tmp_path / 'x.jpg').write_bytes(b'\xff\xd8' + b'\xff\xfe\0\2' * 100_000 + encode('JPEG')[2:])
    monkeypatch.setattr(Image, 'open', lambda *args, **_: pytest.fail('it is opened'))
    with pytest.raises(ImageReadError, match='markers or boxes'):
        LoadRandomResizedCrop(8, reducing_gap=1)(dict(img_path=str(tmp_path / 'x.jpg')))


def test_a_long_fill_before_a_marker_of_a_jpeg():
    """The search for the next marker takes one pass, not one for each byte of the fill."""
    content = encode('JPEG')
    filled = content[:2] + b'\xff' * 1_000_000 + b'\0' + content[2:]
    assert read_header(filled).sizes == [(230, 150)]


def test_a_jpeg_with_profile_exif_and_comments():
    exif = Image.Exif()
    exif[0x010E] = 'x' * 60_000
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    options = dict(progressive=True, exif=exif, icc_profile=profile + bytes(10_000_000))
    pixels = np.random.default_rng(0).integers(0, 256, (150, 230, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, 'JPEG', **options)
    content = stream.getvalue()
    comment = b'\xff\xfe' + (60_000).to_bytes(2, 'big') + bytes(59_998)
    read = decode_image(content[:2] + comment * 200 + content[2:], 'x.jpg')
    np.testing.assert_array_equal(read, decode_image(content, 'x.jpg'))


def style(content, blocks, precincts, of_a_channel):
    """Change the size of the code blocks, and add precincts, in a codestream of JPEG 2000."""
    start = content.index(b'\xff\x52')
    (length,) = struct.unpack_from('>H', content, start + 2)
    style = bytearray(content[start + 2 : start + 2 + length])
    style[8] = style[9] = blocks
    if precincts is not None:
        style[2] |= 1
        style += bytes([precincts] * (style[7] + 1))
    style[:2] = len(style).to_bytes(2, 'big')
    new = b'\xff\x52' + bytes(style)
    if of_a_channel:
        own = b'\1' + bytes([style[2] & 1]) + style[7:]
        new = content[start : start + 2 + length]
        new += b'\xff\x53' + (len(own) + 2).to_bytes(2, 'big') + own
    return content[:start] + new + content[start + 2 + length :]


LARGE = encode('JPEG2000', (4096, 4096), no_jp2=True)


@pytest.mark.parametrize('of_a_channel', [False, True])
@pytest.mark.parametrize('options', [(4, 0x11), (4, 0x22), (0, None)])
def test_a_jpeg2000_of_many_code_blocks(options, of_a_channel):
    with pytest.raises(ImageReadError, match=r'its \d+ code blocks are more than 524288'):
        decode_image(style(LARGE, *options, of_a_channel), 'x.jp2')


def test_a_jpeg2000_of_many_tiles():
    size, tiles = (struct.pack('>4I', side, side, 0, 0) for side in (255, 1))
    content = LARGE.replace(struct.pack('>4I', 4096, 4096, 0, 0) * 2, size + tiles)
    with pytest.raises(
        ImageReadError, match='its 195075 tiles of all channels are more than 65536'
    ):
        decode_image(content, 'x.jp2')


def test_a_jpeg2000_of_usual_tiles_and_precincts():
    options = dict(tile_size=(128, 128), precinct_size=(64, 64), codeblock_size=(32, 32))
    content = encode('JPEG2000', (1000, 700), **options)
    assert decode_image(content, 'x.jp2').shape == (700, 1000, 3)
    assert decode_image(LARGE, 'x.jp2').shape == (4096, 4096, 3)


def test_a_tiff_in_cielab_is_not_read_in_wrong_colors():
    with pytest.raises(ImageReadError, match='its colors are CIELab; save it as RGB'):
        decode_image(encode('TIFF', mode='LAB'), 'a.tif')
