"""Our configs are mmpretrain's, except for what they say of the backbone."""

import pytest
from mmengine.config import Config

from wrn import zoo

NAMES = [
    'wide-resnet50_8xb32_in1k',
    'wide-resnet101_8xb32_in1k',
    'wide-resnet50_timm_8xb32_in1k',
]
OURS_ALONE = {'custom_imports', 'data_root'}


@pytest.mark.parametrize('name', NAMES)
def test_same_data_schedule_and_runtime_as_mmpretrain(name, mmpretrain_root):
    ours = Config.fromfile(zoo.root() / 'configs' / 'wrn' / f'{name}.py').to_dict()
    theirs = Config.fromfile(mmpretrain_root / '.mim/configs/wrn' / f'{name}.py').to_dict()
    assert ours.keys() - theirs.keys() == OURS_ALONE
    assert ours['model'].pop('backbone')['type'] == 'WideResNet'
    assert theirs['model'].pop('backbone')['type'] == 'ResNet'
    assert {key: ours[key] for key in theirs} == theirs
