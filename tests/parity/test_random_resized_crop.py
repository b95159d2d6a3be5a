"""LoadRandomResizedCrop gives the crops and pixels of mmpretrain's pipeline."""

import cv2
import numpy as np
import pytest
from mmengine.dataset import Compose, default_collate
from mmengine.registry import DefaultScope
from mmpretrain.registry import TRANSFORMS
from PIL import Image

from wrn.config.config_errors import config_errors
from wrn.data import LoadRandomResizedCrop
from wrn_base.errors import WrnError

REST = [dict(type='RandomFlip', prob=0.5, direction='horizontal'), dict(type='PackInputs')]


def build(*steps):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return Compose([TRANSFORMS.build(step) for step in steps])


def ours(**kwargs):
    return build(dict(type='LoadRandomResizedCrop', **kwargs), *REST)


def mmpretrains(**kwargs):
    crop = dict(type='RandomResizedCrop', **kwargs)
    return build(dict(type='LoadImageFromFile'), crop, *REST)


def batch(pipeline, paths, copies=8, seed=0):
    """Return a batch of several crops of each image, and the next random number."""
    np.random.seed(seed)
    samples = [
        pipeline(dict(img_path=str(path), gt_label=3)) for path in paths for _ in range(copies)
    ]
    return default_collate(samples), np.random.random()


def pixels(*args, **kwargs):
    return batch(*args, **kwargs)[0]['inputs'].numpy().astype(int)


@pytest.fixture
def image(photograph):
    return Image.open(photograph).convert('RGB')


@pytest.fixture
def save(tmp_path):
    def save(image, name='x.jpg', **kwargs):
        image.save(tmp_path / name, **kwargs)
        return tmp_path / name

    return save


def exif_with(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize('scale', [224, (64, 96)])
def test_batch_is_mmpretrains(photographs, image, save, scale):
    narrow = save(image.crop((0, 0, 60, 400)))  # no random crop fits: the center is cropped
    small = save(image.resize((40, 30)), 'small.jpg')
    paths = [*photographs, narrow, small]
    (ours_, random), (theirs, same_random) = (
        batch(make(scale=scale, **kwargs), paths)
        for make, kwargs in ((ours, {}), (mmpretrains, dict(backend='pillow')))
    )
    assert random == same_random
    # Both passes round: the weights have 15 bits here, and 22 in Pillow.
    difference = np.abs(ours_['inputs'].numpy().astype(int) - theirs['inputs'].numpy())
    assert difference.max() <= 1
    assert difference.mean() < 0.05
    for a, b in zip(ours_['data_samples'], theirs['data_samples'], strict=True):
        assert a.metainfo == b.metainfo
        assert a.gt_label == b.gt_label


def test_bicubic(photographs):
    """As in Pillow before 13, which sometimes does the vertical pass first.

    Pixels are clipped to 0 and 255 between the passes, so the order matters there.
    """
    resized = []

    class Bicubic(LoadRandomResizedCrop):
        def rand_crop_params(self, image):
            self.box = super().rand_crop_params(image)
            return self.box

    transform = Bicubic(224, 'bicubic')
    for seed in range(16):
        np.random.seed(seed)
        image = transform(dict(img_path=str(photographs[seed % 2])))['img']
        top, left, height, width = transform.box
        crop = Image.open(photographs[seed % 2]).crop((left, top, left + width, top + height))
        for size in ((224, height), (224, 224)):
            crop = crop.resize(size, Image.Resampling.BICUBIC)
        resized.append(np.abs(image[..., ::-1].astype(int) - np.asarray(crop)))
    assert np.max(resized) <= 2  # a pass may weight what the other rounded by more than 1
    assert np.mean(resized) < 0.05


@pytest.mark.parametrize('reducing_gap', [None, 1])
@pytest.mark.parametrize('kind', ['L', 'CMYK', 'P', 'RGBA', 'LA', 16, 5, 6, 7, 8, 'progressive'])
def test_kinds_of_files(image, save, tmp_path, kind, reducing_gap):
    """All are loaded as by LoadImageFromFile. At 224 pixels none is decoded at a reduced scale."""
    if kind == 16:
        path = tmp_path / 'x.png'
        cv2.imwrite(str(path), np.asarray(image).astype(np.uint16) * 251)
    elif kind == 'progressive':
        path = save(image, progressive=True)
    elif isinstance(kind, int):
        path = save(image, exif=exif_with(kind))
    else:
        path = save(image.convert(kind), 'x.jpg' if kind in ('L', 'CMYK') else 'x.png')
    result = pixels(ours(scale=224, reducing_gap=reducing_gap), [path])
    assert np.abs(result - pixels(mmpretrains(scale=224, backend='pillow'), [path])).max() <= 1


def difference(path, scale, **kwargs):
    exact = pixels(ours(scale=scale), [path], copies=24)
    other = ours(scale=scale, **kwargs) if kwargs else mmpretrains(scale=scale)
    return np.abs(pixels(other, [path], copies=24) - exact).mean(axis=(1, 2, 3))


@pytest.mark.parametrize('orientation', [1, 6])
def test_decoding_at_a_reduced_scale(image, save, orientation):
    """It is closer to the exact pixels than OpenCV's resize, and closer with a larger gap."""
    path = save(image.resize((1280, 854)), exif=exif_with(orientation), quality=95)
    opencv = difference(path, 100)
    means = []
    for gap in (1, 2, 3, 13):
        reduced = difference(path, 100, reducing_gap=gap)
        assert (reduced <= opencv).all()
        means.append(reduced.mean())
    assert means[0] > means[1] > means[2] > means[3] == 0


def test_reduced_jpeg_is_pillows(image, save):
    """As Pillow drafts and resizes the whole image, for which no box is rounded."""
    path = save(image.resize((1024, 768)), quality=95)
    for side, factor in ((128, 4), (200, 2), (400, 1)):
        transform = LoadRandomResizedCrop(
            (side * 3 // 4, side), reducing_gap=1.5, crop_ratio_range=(1, 1), max_attempts=0
        )
        drafted = Image.open(path)
        drafted.draft('RGB', (1024 // factor, 768 // factor))
        assert drafted.size == (1024 // factor, 768 // factor)
        expected = drafted.resize((side, side * 3 // 4), Image.Resampling.BILINEAR)
        result = transform(dict(img_path=str(path)))
        assert result['ori_shape'] == (768, 1024)
        difference = result['img'][..., ::-1].astype(int) - np.asarray(expected)
        assert np.abs(difference).max() <= 1


def test_png_is_never_reduced(image, save):
    path = save(image, 'x.png')
    assert (difference(path, 32, reducing_gap=1) == 0).all()


def test_file_backends(photograph, server, tmp_path):
    (server.folder / 'x.jpg').write_bytes(photograph.read_bytes())
    expected = pixels(ours(scale=32), [photograph])
    for path, backend_args in (
        (server.url('x.jpg'), None),
        (server.url('x.jpg'), dict(backend='http')),
        (photograph, dict(backend='local')),
    ):
        assert np.array_equal(pixels(ours(scale=32, backend_args=backend_args), [path]), expected)


@pytest.mark.parametrize('reducing_gap', [None, 1])
def test_unreadable_files_are_named(photograph, tmp_path, reducing_gap):
    transform = LoadRandomResizedCrop(224, reducing_gap=reducing_gap)
    content = photograph.read_bytes()
    for bad, reason in (
        (b'', 'the file is empty; remove or replace it'),
        (b'not an image', 'not an image; the known formats are'),
        (
            content[: len(content) // 2],
            'the image is damaged or too large .*; remove or replace it',
        ),
        (content[:2] + b'\0' * 99, 'not an image; the known formats are'),
    ):
        path = tmp_path / 'x.jpg'
        path.write_bytes(bad)
        with (
            pytest.raises(WrnError, match=rf'x\.jpg: {reason}'),
            config_errors('config.py'),
        ):
            transform(dict(img_path=str(path)))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(interpolation='area'), "must be 'bilinear' or 'bicubic', not 'area'"),
        (dict(reducing_gap=0.5), 'reducing_gap must be at least 1, or None, not 0.5'),
    ],
)
def test_invalid_arguments(arguments, message):
    with pytest.raises(WrnError, match=message):
        LoadRandomResizedCrop(224, **arguments)
