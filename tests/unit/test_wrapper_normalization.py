"""The normalization that a wrapper holds as tensors is found, said, and told from other numbers."""

import pytest
import torch

from wrn.checkpoints import ReadOptions, to_openmmlab
from wrn_base.errors import CheckpointError

MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]
KEYS = ('conv1.weight', 'block1.layer.0.conv1.weight', 'bn1.running_mean')


def wrapped(extra, prefix='model.'):
    return {**{prefix + key: torch.rand(3) for key in KEYS}, **extra}


@pytest.mark.parametrize(
    'names',
    [
        ('mean', 'std'),
        ('normalize.mean', 'normalize.std'),
        ('model.preprocess._mean', 'model.preprocess._std'),
        ('data_transform.image_mean', 'data_transform.image_std'),
        ('input_norm.means', 'input_norm.stds'),
        ('0.mu', '0.sigma'),
    ],
)
def test_statistics_of_images(names):
    extra = dict(zip(names, map(torch.tensor, (MEAN, STD)), strict=True))
    found = to_openmmlab(wrapped(extra), 'w.pth')
    assert found.meta['normalization']['mean'] == pytest.approx([255 * v for v in MEAN])
    assert found.meta['normalization']['std'] == pytest.approx([255 * v for v in STD])
    said = f'{names[0]} and {names[1]} as mean and std of images from 0 to 1'
    assert said in found.assumptions
    assert not {*names} & {*found.left_out}


@pytest.mark.parametrize(
    'names',
    [
        ('train_acc.mean', 'train_acc.std'),
        ('target_scaler.mean', 'target_scaler.std'),
        ('loss.mean', 'loss.std'),
        ('prior.mu', 'prior.sigma'),
        ('normalize.mean', 'normalize.var'),
        ('normalize.loc', 'normalize.scale'),
    ],
)
def test_other_statistics_are_named_but_not_used(names):
    extra = dict(zip(names, map(torch.tensor, (MEAN, STD)), strict=True))
    found = to_openmmlab(wrapped(extra), 'w.pth')
    assert 'normalization' not in found.meta
    assert f'no normalization by {names[0]}, {names[1]}' in found.assumptions
    assert {*names} <= {*found.left_out}


@pytest.mark.parametrize(
    ('mean', 'std', 'scale'),
    [([123.0], [1.0], 1), ([0.0], [255.0], 1), ([0.5], [0.5], 255), ([0.0], [1.0], 255)],
)
def test_scale(mean, std, scale):
    extra = dict(mean=torch.tensor(mean), std=torch.tensor(std))
    found = to_openmmlab(wrapped(extra), 'w.pth').meta['normalization']
    assert found == dict(mean=3 * [scale * mean[0]], std=3 * [scale * std[0]])


@pytest.mark.parametrize(('mean', 'std'), [([-1.0], [2.0]), ([0.5], [2.0]), ([-0.5], [0.5])])
def test_an_unknown_scale_is_asked_for(mean, std):
    weights = wrapped(dict(mean=torch.tensor(mean), std=torch.tensor(std)))
    with pytest.raises(CheckpointError, match=r'fit neither images .*; give --mean and --std'):
        to_openmmlab(weights, 'w.pth')
    found = to_openmmlab(weights, 'w.pth', ReadOptions(mean=[0], std=[255])).meta['normalization']
    assert found == dict(mean=[0, 0, 0], std=[255, 255, 255])


@pytest.mark.parametrize(
    'value', [{'mean': [0, 0, 0], 'std': [255, 255.0, 255]}, {'mean': 0, 'std': 255}]
)
def test_numbers_in_metadata(value):
    found = to_openmmlab(dict(state_dict=wrapped({}), meta=dict(normalization=value)), 'w.pth')
    assert found.meta['normalization'] == dict(mean=[0, 0, 0], std=[255, 255, 255])


@pytest.mark.parametrize(
    'value', ['no', {}, {'mean': [0]}, {'mean': ['0'], 'std': [1]}, {'mean': [], 'std': []}]
)
def test_other_values_in_metadata(value):
    with pytest.raises(CheckpointError, match=r'^w.pth: the normalization in its metadata is not'):
        to_openmmlab(dict(state_dict=wrapped({}), meta=dict(normalization=value)), 'w.pth')
