"""Classes are compared by name, and labels follow the names."""

import numpy as np
import pytest
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmpretrain.datasets import CustomDataset
from mmpretrain.registry import TRANSFORMS
from small_run import write_classes

from wrn.data.class_names import MapLabels, get_classes, match_classes, same_classes
from wrn.data.image_folder import ImageFolder
from wrn_base.errors import WrnError

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]


@pytest.fixture
def folder(tmp_path):
    def make(*classes, **options):
        write_classes(tmp_path, classes, 1)
        pipeline = [TRANSFORMS.get(step['type'])() for step in PIPELINE]
        return ImageFolder(data_root=str(tmp_path), pipeline=pipeline, **options)

    return make


def labels(dataset):
    samples = [dataset[i]['data_samples'] for i in range(len(dataset))]
    return {s.img_path.split('/')[-2]: s.gt_label.item() for s in samples}


def test_equal_names_are_left_alone(folder):
    dataset = folder('ape', 'bee')
    assert match_classes(dataset, ('ape', 'bee'), 'val_dataloader', 'the network') is None
    assert len(dataset.pipeline.transforms) == 2
    assert same_classes(['tench, Tinca tinca', 'Polar_bear'], ['tench', 'polar bear'])
    assert not same_classes(['ape', 'bee'], ['bee', 'ape'])
    assert not same_classes(['C++'], ['C#'])


@pytest.mark.parametrize(
    ('first', 'second', 'same'),
    [
        (['bolt, M4', 'nut'], ['bolt, M6', 'nut'], False),
        (['bolt, M4', 'nut, M4'], ['bolt, M4', 'Nut, M4'], True),
        (['bolt, M4', 'bolt, M6'], ['bolt, M4', 'bolt, M6'], True),
        (['bolt, M4', 'bolt, M6'], ['bolt, M6', 'bolt, M4'], False),
        (['bolt', 'bolt, M6'], ['bolt, M4', 'bolt, M6'], False),  # may be any bolt
        (['bolt, M4', 'bolt, M6'], ['bolt', 'nut'], False),
        (['bolt', 'nut'], ['bolt, M4', 'nut, M4'], True),
        (['Bolt', 'bolt'], ['bolt', 'Bolt'], False),
        (['crane', 'crane'], ['crane', 'crane'], True),
        (['crane', 'crane'], ['crane', 'Crane'], False),
        ([0, 1], ['0', '1'], True),
    ],
)
def test_only_synonyms_that_one_name_has_make_no_difference(first, second, same):
    assert same_classes(first, second) is same_classes(second, first) is same


def test_equal_classes_get_the_names_of_the_network(folder):
    dataset = RepeatDataset(folder('Ape', 'Polar_bear'), 2)
    classes = ('ape', 'polar bear, Ursus maritimus')
    assert match_classes(dataset, classes, 'test_dataloader', 'the network') == (
        'test_dataloader: takes 2 classes as those that the network spells differently '
        '(Ape is ape, Polar_bear is polar bear, Ursus maritimus)'
    )
    assert get_classes(dataset) == get_classes(dataset.dataset) == [*classes]
    assert labels(dataset) == {'Ape': 0, 'Polar_bear': 1}


def test_a_subset_is_mapped_by_the_rule_of_the_whole_set(folder):
    dataset = folder('Cat', 'Polar_bear')
    classes = ('ape', 'polar bear, Ursus maritimus', 'cat')
    note = match_classes(dataset, classes, 'test_dataloader', 'the network')
    assert 'its 2 classes are mapped by name to the 3 of the network (no images of ape)' in note
    assert labels(dataset) == {'Cat': 2, 'Polar_bear': 1}
    assert get_classes(dataset) == [*classes]


@pytest.mark.parametrize('theirs', [('bolt', 'nut'), ('bolt, M4', 'bolt, M8', 'nut')])
def test_an_ambiguous_name_is_refused(folder, theirs):
    dataset = folder('bolt, M4', 'bolt, M6') if 'bolt' in theirs else folder('bolt', 'nut')
    with pytest.raises(WrnError, match=r'has . class(es)? that the network does not have: bolt'):
        match_classes(dataset, theirs, 'test_dataloader', 'the network')


@pytest.mark.parametrize('wrap', [lambda d: d, lambda d: RepeatDataset(d, 2), lambda d: ConcatDataset([d])])  # fmt: skip
def test_the_labels_of_a_subset_are_mapped(folder, wrap):
    dataset = wrap(folder('bee', 'dog'))
    note = match_classes(dataset, ('ape', 'bee', 'cat', 'dog'), 'val_dataloader', 'the network')
    assert note == (
        'val_dataloader: its 2 classes are mapped by name to the 4 of the network (no images of '
        'ape, cat)'
    )
    assert labels(dataset) == dict(bee=1, dog=3)
    assert get_classes(dataset) == ['ape', 'bee', 'cat', 'dog']


def test_the_note_on_a_single_class_agrees_in_number(folder):
    note = match_classes(folder('bee'), ('ape', 'bee'), 'test_dataloader', 'the network')
    assert 'its 1 class is mapped by name to the 2 of the network' in note


@pytest.mark.parametrize('theirs', [('ape', 'bee'), ('cat', 'dog'), ('bee', 'bee')])
def test_other_names_are_refused(folder, theirs):
    dataset = folder('bee', 'dog')
    with pytest.raises(WrnError, match=r'^test_dataloader: has .* that the network does not have'):
        match_classes(dataset, theirs, 'test_dataloader', 'the network')


def test_folders_may_have_the_names_that_the_network_knows(folder):
    dataset = folder('n01', 'n02', metainfo=dict(classes=['tench', 'goldfish']))
    arguments = (['n01', 'n02'], 'test_dataloader', 'the network')
    assert match_classes(dataset, *arguments, also=['n01', 'n02']) is None


def test_metainfo_names_folders_by_name_or_else_by_position(folder, tmp_path):
    dataset = folder('ape', 'bee', metainfo=dict(classes=['bee', 'cow', 'ape']))
    assert labels(dataset) == dict(ape=2, bee=0)
    with pytest.raises(
        WrnError, match=r'that metainfo\.classes does not have: bee; that has ape, x'
    ):
        ImageFolder(data_root=str(tmp_path), metainfo=dict(classes=['ape', 'x']))
    other = ImageFolder(data_root=str(tmp_path), metainfo=dict(classes=['x', 'y']))
    assert [other[i]['gt_label'] for i in range(2)] == [0, 1] == [
        CustomDataset(data_root=str(tmp_path), metainfo=dict(classes=['x', 'y']))[i]['gt_label']
        for i in range(2)
    ]  # fmt: skip


def test_several_labels_of_an_image():
    mapped = MapLabels([3, 1, 0])
    assert mapped(dict(gt_label=[0, 2])) == dict(gt_label=[3, 0])
    assert mapped(dict(gt_label=np.array([]))) == dict(gt_label=[])
    assert mapped(dict(gt_label=1)) == dict(gt_label=1)
    assert mapped(dict(img_path='x')) == dict(img_path='x')
