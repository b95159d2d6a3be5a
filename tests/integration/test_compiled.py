"""A compiled run writes the checkpoints of an eager one, and resumes as exactly."""

import pytest
import torch

from wrn.checkpoints import read_checkpoint
from wrn_base import model_index

pytestmark = pytest.mark.slow


@pytest.fixture
def train(run, tmp_path):
    """Train a small network with dropout and EMA, on batches of 8 and of 4."""
    config = tmp_path / 'small.py'
    config.write_text(f"""
_base_ = ['{model_index.root()}/configs/wrn/wide-resnet16-2_1xb64_digits.py']
model = dict(
    backbone=dict(depth=10, widen_factor=1, drop_rate=0.3),
    head=dict(in_channels=64),
)
train_dataloader = dict(batch_size=8, num_workers=0, dataset=dict(indices=28))
val_dataloader = dict(num_workers=0, dataset=dict(indices=16))
train_cfg = dict(max_epochs=2)
default_hooks = dict(
    checkpoint=dict(interval=3, by_epoch=False, max_keep_ckpts=3),
    compile=dict(type='CompileHook', backend='aot_eager'),  # torch.compile without the compiler
)
custom_hooks = [dict(type='EMAHook', momentum=0.1)]
test_dataloader = dict(num_workers=0, dataset=dict(indices=16))
""")

    def train(name, *options):
        run('wrn', 'train', config, '--work-dir', tmp_path / name, *options)
        return tmp_path / name

    train.config = config
    return train


@pytest.mark.ci
def test_exact_resume_and_testing_without_a_compiler(run, train):
    uninterrupted = train('uninterrupted')
    resumed = train('resumed', '--resume', uninterrupted / 'iter_3.pth')
    one, other = (read_checkpoint(folder / 'iter_6.pth') for folder in (uninterrupted, resumed))
    for key in ('state_dict', 'ema_state_dict'):
        torch.testing.assert_close(one[key], other[key], rtol=0, atol=0)
    tested = run('wrn', 'test', train.config, uninterrupted / 'iter_6.pth', '--no-compile')
    assert ' accuracy  ' in tested.stdout
