"""The network is detected from the shapes of its weights."""

import pytest
import torch
import torchvision

import wrn
from wrn.checkpoints import to_openmmlab
from wrn.checkpoints.architecture import find_architecture
from wrn_base.errors import CheckpointError


@pytest.mark.parametrize('depth', [18, 34, 50, 101, 152])
@pytest.mark.parametrize('factor', [1, 1.5, 3])
def test_imagenet_networks(depth, factor):
    with torch.device('meta'):
        head = torch.nn.Linear(2048 if depth >= 50 else int(512 * factor), 7)
    backbone = shapes_of(depth, factor)
    found = find_architecture({**backbone, 'head.fc.weight': head.weight}, 'w.pth')
    assert found.backbone == dict(type='WideResNet', depth=depth, widen_factor=factor)
    assert found.num_classes == 7
    assert found.in_channels == head.in_features
    assert find_architecture(backbone, 'w.pth').num_classes is None


def shapes_of(depth, factor, **kwargs):
    network = wrn.WideResNet(depth, factor, **kwargs)
    return {f'backbone.{key}': value for key, value in network.state_dict().items()}


@pytest.mark.parametrize(
    ('weights', 'message'),
    [
        (lambda: shapes_of(50, 2, stem_channels=32), 'the stem is not'),
        (lambda: {'backbone.conv1.weight': torch.ones(1)}, 'have no stages'),
        (
            lambda: shapes_of(
                18, 2, num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(2,)
            ),
            'stages of 2, 2, 2, 0 blocks',
        ),
        (
            lambda: to_openmmlab(torchvision.models.resnext50_32x4d().state_dict(), 'w').state_dict,
            'grouped convolutions',
        ),
    ],
)
def test_other_networks_are_refused(weights, message):
    with pytest.raises(CheckpointError, match=rf'^w\.pth: .*{message}'):
        find_architecture(weights(), 'w.pth')
