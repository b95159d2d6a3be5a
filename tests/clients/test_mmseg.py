"""The networks in mmsegmentation: its structure, and the example config with its own runner."""

from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip('mmseg')

from mmseg.apis import inference_model, init_model
from mmseg.models.backbones import ResNet, ResNetV1c
from mmseg.utils import register_all_modules

from wrn import WideResNet

SIZE = (64, 128)
# mmsegmentation warns of its own defaults and of what it calls itself.
pytestmark = pytest.mark.filterwarnings('ignore::UserWarning:mmseg')


@pytest.mark.parametrize('depth', [18, 50])
@pytest.mark.parametrize('contract', [False, True])
@pytest.mark.parametrize(
    'stages',
    [
        dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)),
        dict(strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2)),
    ],
)
def test_dilated_networks_are_theirs(depth, stages, contract, randomize):
    options = dict(depth=depth, base_channels=8, stem_channels=8, out_indices=(0, 1, 2, 3))
    options |= stages | dict(contract_dilation=contract)
    theirs = ResNet(**options)
    randomize(theirs)
    ours = WideResNet(**options, widen_factor=1).eval()
    ours.load_state_dict(theirs.state_dict())
    inputs = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for found, expected in zip(ours(inputs), theirs(inputs), strict=True):
            torch.testing.assert_close(found, expected)


def test_a_deep_stem_is_that_of_v1c(randomize):
    """mmsegmentation numbers the layers of the stem; mmpretrain names them."""
    options = dict(depth=50, base_channels=8, stem_channels=8, out_indices=(0, 1, 2, 3))
    options |= dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), contract_dilation=True)
    theirs = ResNetV1c(**options)
    randomize(theirs)
    ours = WideResNet(**options, widen_factor=1, deep_stem=True).eval()
    assert len(ours.state_dict()) == len(theirs.state_dict())
    weights = zip(ours.state_dict(), theirs.state_dict().values(), strict=True)
    ours.load_state_dict(dict(weights))
    inputs = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for found, expected in zip(ours(inputs), theirs(inputs), strict=True):
            torch.testing.assert_close(found, expected)


@pytest.fixture
def cityscapes(tmp_path, rng):
    """Four images in the layout of Cityscapes; the labels are those of brightness."""
    for split, i in product(('train', 'val'), range(4)):
        labels = rng.integers(0, 2, (8, 16)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
        pixels = labels[..., None] * 200 + rng.integers(0, 50, (*SIZE, 3)).astype(np.uint8)
        files = ('leftImg8bit', 'leftImg8bit', pixels), ('gtFine', 'gtFine_labelTrainIds', labels)
        for folder, suffix, content in files:
            path = tmp_path / folder / split / f'{i}_{suffix}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(path)
    return tmp_path


@pytest.fixture
def cfg(read_example, narrow, cityscapes):
    register_all_modules()
    cfg = read_example(
        'segmentation/deeplabv3plus_wide-resnet50-d8_4xb2-80k_cityscapes-512x1024.py'
    )
    cfg.model.backbone.update(narrow.options)
    cfg.model.decode_head.update(in_channels=256, channels=16, c1_in_channels=32, c1_channels=8)
    cfg.model.auxiliary_head.update(in_channels=128, channels=8)
    for part in (cfg.model.backbone, cfg.model.decode_head, cfg.model.auxiliary_head):
        part.norm_cfg.type = 'BN'  # SyncBN needs GPUs
    cfg.model.data_preprocessor.size = SIZE
    for split in ('train', 'val', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        dataset.data_root = str(cityscapes)
        for step in dataset.pipeline:
            if 'scale' in step:
                step.scale = SIZE[::-1]
            if 'crop_size' in step:
                step.crop_size = SIZE
    cfg.optim_wrapper.optimizer.weight_decay = 0.0  # changes weights without a gradient, too
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.default_hooks.checkpoint.interval = 2
    cfg.default_hooks.logger.interval = 1
    return cfg


@pytest.mark.parametrize('frozen', [False, True])
def test_train_predict_and_load(cfg, train_two_steps, cityscapes, frozen):
    if frozen:
        cfg.model.backbone.update(frozen_stages=1, norm_eval=True, with_cp=True)
    models = train_two_steps(cfg, frozen, init_model)
    image = str(cityscapes / 'leftImg8bit/val/3_leftImg8bit.png')
    expected, found = (inference_model(model, image).seg_logits.data for model in models)
    assert found.shape == (19, *SIZE)
    assert torch.equal(found, expected)
