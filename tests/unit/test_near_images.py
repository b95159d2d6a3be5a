"""Near-duplicates of the images of a test, in other splits and classes."""

import numpy as np
import pytest
from PIL import Image

from wrn.report.content import OtherImage
from wrn.report.near_images import find_near_groups


class Files(list):
    """A dataset of image files."""

    def get_data_info(self, i):
        return dict(img_path=self[i])


@pytest.fixture
def write(tmp_path):
    """Write an image that is drawn by a seed, and return its path."""

    def write(name, seed):
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
        return str(tmp_path / name)

    return write


def find(tested, others=()):
    dataset, labels = Files(path for path, _ in tested), [label for _, label in tested]
    groups, note, cautions = find_near_groups(dataset, labels, others, lambda *_: None)
    names = [
        [(image.path.rpartition('/')[2], image.split, image.label) for image in group.images]
        for group in groups
    ]
    return names, groups, note, cautions


CAUTIONS = {'val': ('validation', 'a little too high'), 'train': ('training', 'too high')}


@pytest.mark.parametrize(('split', 'label'), [('val', 0), ('val', 1), ('train', 1), ('train', 0)])
def test_a_copy_in_another_split(write, split, label):
    others = [OtherImage(split, write('a.png', 0), label)]
    found, groups, _, cautions = find([(write('copy.png', 0), 0), (write('b.png', 1), 0)], others)
    assert found == [[('a.png', split, label), ('copy.png', 'test', 0)]]
    assert groups[0].splits == {split, 'test'}
    assert groups[0].labels == sorted({label, 0})
    where, effect = CAUTIONS[split]
    assert cautions == [
        f'1 group of near-duplicates is in {where} and test, so the accuracy may be {effect}; see '
        'Near-duplicates'
    ]


def test_a_copy_of_another_class_in_the_test(write):
    found, _, note, cautions = find(
        [(write('a.png', 0), 1), (write('b.png', 0), 0), (write('c.png', 0), 0)]
    )
    assert found == [[('a.png', 'test', 1), ('b.png', 'test', 0), ('c.png', 'test', 0)]]
    assert 'The training images were not compared' in note
    assert cautions == []  # they do not make the accuracy too good


def test_copies_of_one_split_and_class_do_not_matter(write):
    assert find([(write('a.png', 0), 0), (write('b.png', 0), 0)])[0] == []


def test_all_images_that_look_alike_are_one_group(write):
    """Also those that are not the closest to each other."""
    others = [OtherImage('train', write(f'{i}.png', 0), i % 2) for i in range(12)]
    found, (group,), *_ = find([(write('test.png', 0), 0)], others)
    assert len(found[0]) == 8
    assert ('test.png', 'test', 0) in found[0]
    assert {(split, label) for _, split, label in found[0]} == {
        ('train', 0), ('train', 1), ('test', 0),
    }  # fmt: skip
    assert group.left_out == 5


def test_what_makes_the_accuracy_too_good_comes_first(write):
    others = [OtherImage('val', write('v.png', 1), 0), OtherImage('train', write('t.png', 2), 0)]
    tested = [(write('x.png', 0), 0), (write('y.png', 0), 1), (write('z.png', 1), 0)]
    found, *_ = find([*tested, (write('w.png', 2), 0)], others)
    assert [group[0][1] for group in found] == ['train', 'val', 'test']


def test_all_groups_are_counted_though_few_are_shown(write, monkeypatch):
    monkeypatch.setattr('wrn.report.near_images._MOST', 1)
    others = [OtherImage('train', write(f'{i}.png', i), 0) for i in range(3)]
    found, _, _, cautions = find([(path, 0) for _, path, _ in others], others)
    assert len(found) == 1
    assert cautions[0].startswith('3 groups of near-duplicates are in training and test, so the')
