"""Features and logits are those of torchvision, timm and mmpretrain with the same weights."""

import pytest
import timm
import torch
import torchvision
from mmengine.config import Config
from mmpretrain.registry import MODELS
from torchvision.models.feature_extraction import create_feature_extractor

import wrn
from wrn import WideResNet

# The same operations in the same order, except where a library fuses some.
TOLERANCE = dict(rtol=1e-5, atol=1e-5)
STAGES = ('layer1', 'layer2', 'layer3', 'layer4')


def to_ours(state_dict):
    return {
        f'head.{key}' if key.startswith('fc.') else f'backbone.{key}': value
        for key, value in state_dict.items()
    }


def our_config(depth):
    return f'configs/wrn/wide-resnet{depth}_8xb32_in1k.py'


@pytest.fixture(scope='module')
def inputs():
    return torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize('depth', [50, 101])
@pytest.mark.parametrize('library', ['torchvision', 'timm'])
@torch.no_grad()
def test_torchvision_and_timm(depth, library, inputs, randomize):
    name = f'wide_resnet{depth}_2'
    if library == 'torchvision':
        reference = randomize(getattr(torchvision.models, name)())
        extractor = create_feature_extractor(reference, list(STAGES))
        features = list(extractor(inputs).values())
    else:
        reference = randomize(timm.create_model(name))
        extractor = timm.create_model(name, features_only=True, out_indices=(1, 2, 3, 4)).eval()
        extractor.load_state_dict(reference.state_dict(), strict=False)
        features = extractor(inputs)
    ours = wrn.get_model(our_config(depth), backbone=dict(out_indices=(0, 1, 2, 3)))
    ours.load_state_dict(to_ours(reference.state_dict()))  # strict: the keys are the same
    torch.testing.assert_close(list(ours.backbone(inputs)), features, **TOLERANCE)
    logits = reference(inputs)
    assert logits.std() > 0.1  # the network is not dead
    torch.testing.assert_close(ours(inputs), logits, **TOLERANCE)


@pytest.mark.parametrize(
    ('depth', 'widen_factor', 'reference'),
    [
        (18, 1, torchvision.models.resnet18),
        (34, 1, torchvision.models.resnet34),
        (152, 1, torchvision.models.resnet152),
        (50, 1.5, lambda: torchvision.models.resnet50(width_per_group=96)),
    ],
)
@torch.no_grad()
def test_other_depths_and_widths(depth, widen_factor, reference, inputs, randomize):
    reference = randomize(reference())
    features = create_feature_extractor(reference, list(STAGES))(inputs).values()
    ours = WideResNet(depth, widen_factor, out_indices=(0, 1, 2, 3)).eval()
    weights = {k: v for k, v in reference.state_dict().items() if not k.startswith('fc.')}
    ours.load_state_dict(weights)
    torch.testing.assert_close(list(ours(inputs)), list(features), **TOLERANCE)


@pytest.mark.parametrize(
    'name',
    ['wide-resnet50_8xb32_in1k', 'wide-resnet101_8xb32_in1k', 'wide-resnet50_timm_8xb32_in1k'],
)
@torch.no_grad()
def test_mmpretrains_configs(name, inputs, randomize, mmpretrain_root):
    config = Config.fromfile(mmpretrain_root / '.mim' / 'configs' / 'wrn' / f'{name}.py')
    config.model.data_preprocessor = config.data_preprocessor
    reference = randomize(MODELS.build(config.model))
    ours = wrn.get_model(f'configs/wrn/{name}.py')
    ours.load_state_dict(reference.state_dict())
    torch.testing.assert_close(
        ours.extract_feat(inputs), reference.extract_feat(inputs), rtol=0, atol=0
    )
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    (ours_scores, theirs) = (
        [s.pred_score for s in m.test_step(dict(inputs=images))] for m in (ours, reference)
    )
    torch.testing.assert_close(ours_scores, theirs, rtol=0, atol=0)
