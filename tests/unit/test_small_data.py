"""What is said of few and uneven images before training, and class weights in the loss."""

import logging

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpretrain.registry import MODELS
from sklearn.utils.class_weight import compute_class_weight

from wrn.data.images import LeftOut
from wrn.data.splitting import Splits
from wrn.training.class_weights import balance_loss
from wrn.training.small_data import describe_classes, list_warnings
from wrn_base.errors import WrnError


def make(train, val, test=None, drawn=True, groups=None):
    """Make splits from the number of images of each class."""

    def images(split, numbers):
        return [(f'{split}/{i}_{n}', i) for i, number in enumerate(numbers) for n in range(number)]

    splits = dict(train=images('train', train), val=images('val', val))
    splits['test'] = splits['val'] if test is None else images('test', test)
    names = [f'class{i}' for i in range(len(train))]
    return Splits('x', names, splits, drawn, LeftOut(), groups)


ENOUGH = [30, 30]


def test_enough_images_give_no_warning():
    assert list_warnings(make([40, 40], [20, 10])) == []
    assert list_warnings(make([10, 49], [20, 10], [20, 10])) == []


def test_classes_with_few_images():
    (warning,) = list_warnings(make([10, 9, 2], [20, 20, 20]))[:1]
    assert warning == (
        '2 classes have fewer than 10 training images (class1: 9, class2: 2), from which little '
        'can be learned; add images'
    )
    assert list_warnings(make([30, 9], ENOUGH))[0].startswith('1 class has fewer than 10')


def test_class_folders_that_differ_only_in_case():
    """Unicode has two ways to write an umlaut, which look alike."""
    splits = make([40, 40, 40, 40, 40], [20] * 5)
    splits.classes[:] = ['Zelle gesund', 'Maus', 'M\xe4use', 'Ma\u0308use', 'zelle Gesund']
    (warning,) = list_warnings(splits)
    groups = ("'M\xe4use' and 'Ma\u0308use'", "'Zelle gesund' and 'zelle Gesund'")
    assert warning.startswith(f'{", ".join(groups)}: class folders that differ only in case or ')
    assert 'one folder on macOS and Windows; merge them, or rename one' in warning


@pytest.mark.parametrize(
    ('val', 'test', 'validated', 'expected'),
    [
        ([5, 4], None, True, ['val has 9 images, too few to choose the best epoch or measure ']),
        ([15, 15], [3, 6], True, ['test has 9 images, too few to measure accuracy: ']),
        ([5, 4], [15, 15], True, ['val has 9 images, too few to choose the best epoch: ']),
        ([5, 4], [5, 4], True, ['val has 9 images', 'test has 9 images']),
        ([5, 4], None, False, ['test has 9 images, too few to measure accuracy: ']),
        ([5, 4], [15, 15], False, []),
    ],
)
def test_few_images_to_validate_or_test(val, test, validated, expected):
    warnings = list_warnings(make([30, 30], val, test), validated)
    assert len(warnings) == len(expected)
    for warning, start in zip(warnings, expected, strict=True):
        assert warning.startswith(start)
        # Wilson's interval of 7 of 9, by the sum of its definition: see test_evaluation.py.
        assert warning.endswith('80 % means 45 to 94 % (95 % interval); add images')


def test_what_the_validation_chooses():
    (warning,) = list_warnings(make(ENOUGH, [5, 4], [15, 15]), selects='the regularization')
    assert warning.startswith('val has 9 images, too few to choose the regularization: ')


@pytest.mark.parametrize('balanced', [False, True])
def test_uneven_classes(balanced):
    (warning,) = list_warnings(make([100, 20], ENOUGH), balanced=balanced)
    assert warning.startswith('class0 has 5 times the training images of class1, so accuracy hides')
    assert (', and --balance, which weights the classes alike' in warning) != balanced
    assert len(warning) < 200  # characters: two or three lines of a terminal
    assert list_warnings(make([99, 20], ENOUGH)) == []


def test_classes_and_groups_that_cannot_be_divided():
    assert 'class1: only 1 image, which is for training' in list_warnings(make([30, 1], [30, 0]))
    paths = [f'{split}/{i}_{n}' for split in ('train', 'val') for i in (0, 1) for n in range(30)]
    warnings = list_warnings(make(ENOUGH, [30, 0], groups=dict.fromkeys(paths, 'p1')))
    assert warnings == ['class1: only 1 group, which is for training']
    alone = make(ENOUGH, ENOUGH, groups={path: path for path in paths})
    assert list_warnings(alone) == [
        '--groups: each image is a group of its own, so the groups change nothing'
    ]


def test_the_classes_in_a_line():
    splits = make([3, 40, 12], ENOUGH)
    assert describe_classes(splits) == 'training images per class: class1 40, class2 12, class0 3'
    splits.classes[:2] = [' ', 'cat ']
    assert describe_classes(splits) == "training images per class: 'cat ' 40, class2 12, ' ' 3"
    assert list_warnings(splits)[0].startswith("1 class has fewer than 10 training images (' ': 3)")
    splits = make([5] * 10 + [7] + [9] * 10, ENOUGH)
    expected = 'training images per class: 9 (class11) to 5 (class9), median 7'
    assert describe_classes(splits) == expected


def make_cfg(**loss):
    return Config(dict(model=dict(head=dict(loss=loss))))


@pytest.mark.parametrize('kind', ['CrossEntropyLoss', 'LabelSmoothLoss'])
def test_weights_are_those_of_scikit_learn(kind, caplog, rng):
    numbers = [40, 3, 12]
    labels = np.repeat([0, 1, 2], numbers)
    smooth = dict(label_smooth_val=0.0) if kind == 'LabelSmoothLoss' else {}
    cfg = make_cfg(type=kind, loss_weight=1.0, **smooth)
    with caplog.at_level(logging.INFO, 'wrn'):
        balance_loss(cfg, numbers, ['ape', 'bee', 'cat'])
    weights = compute_class_weight('balanced', classes=np.arange(3), y=labels)
    assert cfg.model.head.loss.class_weight == pytest.approx(weights.tolist(), rel=1e-12)
    text = '--balance: the loss is weighted from 0.458 (ape, 40 images) to 6.11 (bee, 3 images)'
    assert text in caplog.text
    scores = torch.from_numpy(rng.normal(size=(55, 3))).float()
    targets = torch.from_numpy(labels)
    found = MODELS.build(dict(cfg.model.head.loss))(scores, targets)
    # torch divides by the sum of the weights, which is the number of images here.
    expected = torch.nn.functional.cross_entropy(scores, targets, torch.from_numpy(weights).float())
    torch.testing.assert_close(found, expected)


def test_even_classes_have_no_weights(caplog):
    cfg = make_cfg(type='CrossEntropyLoss')
    with caplog.at_level(logging.INFO, 'wrn'):
        balance_loss(cfg, [7, 7], ['a', 'b'])
    assert cfg.model.head.loss.class_weight == [1.0, 1.0]
    assert 'all classes have 7 images, so their weights are 1' in caplog.text


@pytest.mark.parametrize(
    ('loss', 'message'),
    [
        (dict(type='CrossEntropyLoss', use_sigmoid=True), 'a multi-label CrossEntropyLoss'),
        (
            dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='multi_label'),
            'a multi-label LabelSmoothLoss',
        ),
        (dict(type='FocalLoss'), 'the loss is FocalLoss, but class weights need'),
        (dict(type='CrossEntropyLoss', class_weight=[1, 2]), 'has a class_weight of its own'),
        ({}, 'the loss is None'),
    ],
)
def test_losses_that_take_no_class_weights(loss, message):
    with pytest.raises(WrnError, match=f'--balance: .*{message}'):
        balance_loss(make_cfg(**loss), [3, 4], ['a', 'b'])
