"""The data set of the embedded model."""

import numpy as np
import pytest
from mmpretrain.registry import DATASETS
from PIL import Image, ImageOps
from sklearn.datasets import load_digits

from wrn.datasets import Digits
from wrn.errors import WrnError


def test_the_split_is_whole_disjoint_and_stratified():
    train, test = (DATASETS.build(dict(type='Digits', split=split)) for split in ('train', 'test'))
    assert (len(train), len(test)) == (1437, 360)
    pictures = [d['img'][..., 0] for dataset in (train, test) for d in dataset.load_data_list()]
    expected = (load_digits().images * (255 / 16)).round().astype(np.uint8)
    assert sorted(p.tobytes() for p in pictures) == sorted(p.tobytes() for p in expected)
    shares = [np.bincount(dataset.get_gt_labels()) / len(dataset) for dataset in (train, test)]
    assert np.abs(shares[0] - shares[1]).max() < 0.002


def test_the_split_is_fixed():
    labels = [Digits(split='test').get_gt_labels() for _ in range(2)]
    assert np.array_equal(*labels)
    assert labels[0][:10].tolist() == Digits(split='test', indices=10).get_gt_labels().tolist()


def test_unknown_split():
    with pytest.raises(WrnError, match="split must be 'train' or 'test', not 'val'"):
        Digits(split='val')


@pytest.mark.parametrize(('digit', 'on_paper'), [(3, False), (7, True)])
def test_the_demo_pictures_are_held_out(digit, on_paper, checkout):
    picture = Image.open(checkout / 'demo' / f'digit_{digit}.png')
    picture = ImageOps.invert(picture) if on_paper else picture
    held_out = [
        np.asarray(Image.fromarray(d['img'][..., 0]).resize((128, 128), Image.Resampling.BILINEAR))
        for d in Digits(split='test').load_data_list()
        if d['gt_label'] == digit
    ]
    assert any(np.array_equal(picture, other) for other in held_out)
