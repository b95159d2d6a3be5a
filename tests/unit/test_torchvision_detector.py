"""A Wide-ResNet in torchvision's Faster R-CNN, as in docs/detection.md."""

import pytest
import torch
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops.misc import FrozenBatchNorm2d

from wrn import WideResNet

STAGES = ('layer1', 'layer2', 'layer3', 'layer4')
NARROW = dict(depth=50, widen_factor=2, base_channels=8, stem_channels=8, out_indices=range(4))


@pytest.fixture
def pretrained(randomize, tmp_path):
    network = randomize(WideResNet(**NARROW))
    torch.save(network.state_dict(), tmp_path / 'w.pth')
    return network


def make_detector(backbone):
    layers = {stage: str(i) for i, stage in enumerate(STAGES)}
    features = BackboneWithFPN(backbone, layers, [32, 64, 128, 256], out_channels=16)
    return FasterRCNN(features, num_classes=2, min_size=64, max_size=96, box_score_thresh=0)


@pytest.mark.parametrize('with_cp', [False, True])
def test_train_predict_and_load(pretrained, tmp_path, with_cp):
    torch.manual_seed(0)
    norm_cfg = dict(type=FrozenBatchNorm2d)
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'w.pth'))
    options = NARROW | dict(norm_cfg=norm_cfg, frozen_stages=1, with_cp=with_cp)
    backbone = WideResNet(**options, init_cfg=init_cfg)
    backbone.init_weights()
    images = torch.rand(2, 3, 64, 96)
    detector = make_detector(backbone)
    with torch.no_grad():
        found = detector.backbone.body(images).values()
        for one, other in zip(found, pretrained(images), strict=True):
            torch.testing.assert_close(one, other)

    boxes = torch.tensor([[8.0, 8.0, 48.0, 40.0]])
    targets = [dict(boxes=boxes, labels=torch.tensor([1]))] * 2
    losses = detector.train()([*images], targets)
    loss = sum(losses.values())
    loss.backward()
    assert loss.isfinite()
    for key, parameter in detector.backbone.body.named_parameters():
        frozen = key.startswith(('conv1', 'layer1'))
        assert parameter.requires_grad != frozen, key
        assert frozen or parameter.grad.any(), key
    body = detector.backbone.body
    assert torch.equal(body.bn1.running_mean, pretrained.bn1.running_mean)

    loaded = make_detector(WideResNet(**options))
    loaded.load_state_dict(detector.state_dict())
    with torch.no_grad():
        expected, again = (model.eval()([*images]) for model in (detector, loaded))
    assert len(expected[0]['boxes'])
    for one, other in zip(again, expected, strict=True):
        assert all(torch.equal(one[key], other[key]) for key in ('boxes', 'scores', 'labels'))
