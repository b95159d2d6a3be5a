"""Our configs are mmpretrain's, except for the backbone, the log, and the loading of images."""

import pytest
from mmengine.config import Config

from wrn_base import model_index

NAMES = [
    'wide-resnet50_8xb32_in1k',
    'wide-resnet101_8xb32_in1k',
    'wide-resnet50_timm_8xb32_in1k',
]
ONLY_OURS = {'custom_imports', 'data_root', 'log_processor'}


@pytest.mark.parametrize('name', NAMES)
def test_same_data_schedule_and_runtime_as_mmpretrain(name, mmpretrain_root):
    ours = Config.fromfile(model_index.root() / 'configs' / 'wrn' / f'{name}.py').to_dict()
    theirs = Config.fromfile(mmpretrain_root / '.mim/configs/wrn' / f'{name}.py').to_dict()
    assert ours.keys() - theirs.keys() == ONLY_OURS
    assert ours['model'].pop('backbone')['type'] == 'WideResNet'
    assert theirs['model'].pop('backbone')['type'] == 'ResNet'
    for pipeline in (ours['train_pipeline'], ours['train_dataloader']['dataset']['pipeline']):
        pipeline[:1] = as_two_steps(pipeline[0])
    assert ours['default_hooks'].pop('timer') == dict(type='ThroughputHook')
    assert theirs['default_hooks'].pop('timer') == dict(type='IterTimerHook')
    assert ours['default_hooks']['logger'].pop('ignore_last') is False  # for the loss of an epoch
    assert {key: ours[key] for key in theirs} == theirs


def as_two_steps(step):
    """Return the two steps that give the same images, as test_random_resized_crop.py shows."""
    assert step.pop('type') == 'LoadRandomResizedCrop'
    assert step.keys() <= {'scale', 'interpolation'}
    crop = dict(type='RandomResizedCrop', backend='pillow', **step)
    return [dict(type='LoadImageFromFile'), crop]
