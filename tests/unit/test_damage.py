"""Damage in image files is found, and whole images have none."""

import io
import warnings

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import CONTENTS, FORMATS
from PIL import Image

from wrn.data.damage import find_damage
from wrn.data.images import decode_image
from wrn_base.errors import ImageReadError


def kind_of(content, name):
    damage = find_damage(content, f'a b/ü.{name}')
    return damage and damage.kind


def opencv(content):
    """Return the pixels that mmpretrain's LoadImageFromFile gets, if any."""
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None


def pixels(content):
    """Return the pixels that training and prediction get, if any."""
    try:
        return decode_image(content, 'x')
    except ImageReadError:
        return None


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    yield
    cv2.utils.logging.setLogLevel(level)


@pytest.mark.parametrize('name', FORMATS)
def test_whole_images_have_no_damage(name):
    assert opencv(CONTENTS[name]) is not None
    assert kind_of(CONTENTS[name], name) is None
    assert kind_of(CONTENTS[name] + b'trailing', name) is None  # some cameras append data


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(FORMATS)), share=st.floats(0, 1, exclude_max=True))
def test_truncated_anywhere(name, share):
    check_truncated(CONTENTS[name][: int(len(CONTENTS[name]) * share)], name)


@pytest.mark.parametrize('name', FORMATS)
@pytest.mark.parametrize('lost', [1, 2, 3, 4, 8, 12, 20])
def test_without_its_last_bytes(name, lost):
    check_truncated(CONTENTS[name][:-lost], name)


def check_truncated(content, name):
    """Either damage is found and OpenCV fails too, or no pixels are missing."""
    if kind_of(content, name):
        assert opencv(content) is None
    else:  # such as a BMP without its final padding, which only OpenCV refuses
        assert np.array_equal(pixels(content), opencv(CONTENTS[name]))


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=200), start=st.sampled_from(['', *sorted(FORMATS)]))
def test_arbitrary_content_raises_nothing(content, start):
    head = CONTENTS[start][:30] if start else b''
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # as check_folder does
        find_damage(head + content, 'x.jpg')


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(['png', 'palette.png', '1.png']), data=st.data())
def test_a_flipped_bit_in_a_png(name, data):
    """Checksums reveal it, as in Pillow's verify."""
    content = bytearray(CONTENTS[name])
    place = data.draw(st.integers(8, len(content) - 13))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((OSError, SyntaxError, ValueError)):
        Image.open(io.BytesIO(bytes(content))).verify()
    assert kind_of(bytes(content), name)


@pytest.mark.parametrize(
    ('content', 'name', 'kind'),
    [
        (b'', 'jpg', 'unreadable'),
        (b'<html>404</html>', 'jpg', 'unreadable'),
        (CONTENTS['png'], 'jpg', 'misnamed'),
        (CONTENTS['jpg'], 'png', 'misnamed'),
        (CONTENTS['jpg'], 'JPEG', None),
        (CONTENTS['ppm'], 'pgm', None),
    ],
)
def test_kinds_of_damage(content, name, kind):
    assert kind_of(content, name) == kind


def test_other_formats_and_a_jpeg_of_two_images(tmp_path, photograph):
    image = Image.open(photograph)
    content = io.BytesIO()
    image.save(content, 'PCX')
    assert opencv(content.getvalue()) is None
    assert pixels(content.getvalue()) is None  # training does not use other formats, either
    assert kind_of(content.getvalue(), 'jpg') == 'unreadable'
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / 'float.tif')
    assert find_damage((tmp_path / 'float.tif').read_bytes(), 'float.tif') == (
        'range',
        'the range of its values, 0.5 to 0.5, is unknown; give it to LoadImage (docs/data.md)',
    )
    image.save(tmp_path / 'a.png', 'GIF')
    image.save(tmp_path / 'b.jpg', 'MPO', save_all=True, append_images=[image])
    gif, mpo = (tmp_path / 'a.png').read_bytes(), (tmp_path / 'b.jpg').read_bytes()
    assert find_damage(gif, 'a.png') == ('misnamed', 'it is a GIF, not a .png')
    assert find_damage(mpo, 'b.jpg') is None
