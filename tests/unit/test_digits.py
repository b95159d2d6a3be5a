"""The dataset of the embedded model."""

import numpy as np
import pytest
from mmpretrain.registry import DATASETS
from PIL import Image, ImageOps
from sklearn.datasets import load_digits

from wrn.data import Digits
from wrn_base.errors import WrnError


def test_the_splits_are_complete_disjoint_and_stratified():
    train, test = (DATASETS.build(dict(type='Digits', split=split)) for split in ('train', 'test'))
    assert (len(train), len(test)) == (1442, 355)
    images = [d['img'][..., 0] for dataset in (train, test) for d in dataset.load_data_list()]
    expected = (load_digits().images * (255 / 16)).round().astype(np.uint8)
    assert sorted(p.tobytes() for p in images) == sorted(p.tobytes() for p in expected)
    shares = [np.bincount(dataset.get_gt_labels()) / len(dataset) for dataset in (train, test)]
    assert np.abs(shares[0] - shares[1]).max() < 0.003


def test_every_fifth_of_a_class_is_held_out():
    digits = load_digits()
    for label in range(10):
        held_out = [d['img'] for d in Digits('test').load_data_list() if d['gt_label'] == label]
        expected = digits.images[digits.target == label][4::5] * (255 / 16)
        assert np.array_equal(np.stack(held_out)[..., 0], expected.round().astype(np.uint8))


def test_unknown_split():
    with pytest.raises(WrnError, match="split must be 'train' or 'test', not 'val'"):
        Digits(split='val')


@pytest.mark.parametrize(('digit', 'on_paper'), [(3, False), (7, True)])
def test_the_demo_images_are_held_out(digit, on_paper, checkout):
    image = Image.open(checkout / 'demo' / f'digit_{digit}.png')
    image = ImageOps.invert(image) if on_paper else image
    held_out = [
        np.asarray(Image.fromarray(d['img'][..., 0]).resize((128, 128), Image.Resampling.BILINEAR))
        for d in Digits(split='test').load_data_list()
        if d['gt_label'] == digit
    ]
    assert any(np.array_equal(image, other) for other in held_out)
