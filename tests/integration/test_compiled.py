"""A run that is compiled writes the checkpoints of one that is not, and goes on as exactly."""

import pytest
import torch

import wrn
from wrn.checkpoints import read_checkpoint

pytestmark = pytest.mark.slow


@pytest.fixture
def train(run, tmp_path):
    """Train a small network, with dropout and an average, on batches of 8 and of 4."""
    config = tmp_path / 'small.py'
    config.write_text(f"""
_base_ = ['{wrn.config.model_index.root()}/configs/wrn/wide-resnet16-2_1xb64_digits.py']
model = dict(
    backbone=dict(depth=10, widen_factor=1, drop_rate=0.3),
    head=dict(in_channels=64),
)
train_dataloader = dict(batch_size=8, num_workers=0, dataset=dict(indices=28))
val_dataloader = dict(num_workers=0, dataset=dict(indices=16))
train_cfg = dict(max_epochs=2)
default_hooks = dict(
    checkpoint=dict(interval=3, by_epoch=False, max_keep_ckpts=3),
    compile=dict(type='CompileHook', backend='aot_eager'),  # all of torch.compile but the compiler
)
custom_hooks = [dict(type='EMAHook', momentum=0.1)]
test_dataloader = dict(num_workers=0, dataset=dict(indices=16))
""")

    def train(name, *options):
        run('wrn', 'train', config, '--work-dir', tmp_path / name, *options)
        return tmp_path / name

    train.config = config
    return train


def test_it_goes_on_exactly_and_needs_no_compiler_to_be_tested(run, train):
    undisturbed = train('undisturbed')
    resumed = train('resumed', '--resume', undisturbed / 'iter_3.pth')
    one, other = (read_checkpoint(folder / 'iter_6.pth') for folder in (undisturbed, resumed))
    for key in ('state_dict', 'ema_state_dict'):
        torch.testing.assert_close(one[key], other[key], rtol=0, atol=0)
    tested = run('wrn', 'test', train.config, undisturbed / 'iter_6.pth', '--no-compile')
    assert 'accuracy/top1' in tested.stdout
