"""FSDP on two processes: each has half of the weights, and the checkpoints have all of them."""

import re

import pytest
import torch
from commands import free_port
from mmengine.config import Config

import wrn
from wrn.checkpoints import read_checkpoint
from wrn.training.launch import init_distributed
from wrn.utils.errors import WrnError

DIGITS = 'configs/wrn/wide-resnet16-2_1xb64_digits.py'


@pytest.fixture
def train(run, tmp_path, checkout, monkeypatch):
    """Train a small network in two processes, for two epochs of three updates of two batches."""
    config = tmp_path / 'small.py'
    config.write_text(f"""
_base_ = ['{wrn.config.model_index.root()}/{DIGITS}']
model = dict(backbone=dict(depth=10, widen_factor=1), head=dict(in_channels=64))
train_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(indices=92))
val_dataloader = dict(num_workers=0, dataset=dict(indices=16))
test_dataloader = dict(num_workers=0, dataset=dict(indices=16))
optim_wrapper = dict(optimizer=dict(lr=0.02), accumulative_counts=2)
train_cfg = dict(max_epochs=2, val_interval=2)
default_hooks = dict(checkpoint=dict(interval=2, by_epoch=False, max_keep_ckpts=9))
""")
    monkeypatch.setenv('PORT', str(free_port()))

    def train(name, *options):
        script = checkout / 'tools' / 'dist_train.sh'
        run('bash', script, config, 2, '--work-dir', tmp_path / name, *options)
        return tmp_path / name

    train.config = config
    return train


@pytest.mark.slow
def test_it_trains_as_ddp_and_goes_on_exactly(run, train):
    one_epoch = ['--cfg-options', 'train_cfg.max_epochs=1']
    ddp, sharded = train('ddp', '--no-channels-last', *one_epoch), train('sharded', '--fsdp')
    resumed = train('resumed', '--fsdp', '--resume', sharded / 'iter_8.pth')
    crossed = train('crossed', '--no-channels-last', '--resume', sharded / 'iter_8.pth')
    states = [read_checkpoint(folder / 'iter_6.pth') for folder in (ddp, sharded)]
    # After three updates; after a few more, rounding has turned some activation on or off.
    torch.testing.assert_close(*(state['state_dict'] for state in states), rtol=1e-5, atol=1e-6)
    last = [read_checkpoint(folder / 'iter_12.pth')['state_dict'] for folder in (sharded, resumed)]
    torch.testing.assert_close(*last, rtol=0, atol=0)
    smaller = ['--cfg-options', 'train_dataloader.batch_size=4']
    other = train('other', '--fsdp', '--resume', sharded / 'iter_6.pth', *smaller)
    assert (other / 'iter_24.pth').exists()
    # Without --fsdp it goes on from the same momenta; again for one update.
    after = [read_checkpoint(folder / 'iter_10.pth')['state_dict'] for folder in (sharded, crossed)]
    torch.testing.assert_close(*after, rtol=1e-5, atol=1e-6)
    for key in ('epoch', 'iter', 'seed', 'pictures_of_epoch'):
        assert states[0]['meta'][key] == states[1]['meta'][key]
    outputs = [
        run('wrn', 'test', train.config, folder / 'iter_6.pth').stdout for folder in (ddp, sharded)
    ]
    top1 = [re.findall(r'accuracy/top1: ([\d.]+)', output)[-1] for output in outputs]
    assert top1[0] == top1[1]


def test_one_process_is_refused(fails, tmp_path):
    line = fails('train', DIGITS, '--fsdp', '--work-dir', tmp_path)
    assert '--fsdp: needs several processes; start them with tools/dist_train.sh' in line


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'optim_wrapper.optimizer.type': 'Lamb'}, 'optimizer.type must be one of SGD, Adam'),
        ({'optim_wrapper.type': 'AmpOptimWrapper'}, 'optim_wrapper.type must be one of'),
        ({'optim_wrapper.clip_grad': dict(max_norm=1)}, 'clip_grad needs gradients that are whole'),
        ({'custom_hooks': [dict(type='EMAHook')]}, 'EMAHook needs weights that are whole'),
        ({'model.backbone.channels_last': True}, 'momenta wrongly with --channels-last'),
        ({'sync_bn': 'torch'}, 'leave out sync_bn'),
    ],
)
def test_what_would_go_wrong_on_parts_is_refused(settings, message):
    from wrn.training.sharding import ShardedRunner

    optim_wrapper = dict(optimizer=dict(type='SGD'))
    cfg = Config(dict(launcher='pytorch', optim_wrapper=optim_wrapper, model=dict()))
    cfg.merge_from_dict(settings)
    with pytest.raises(WrnError, match=message):
        ShardedRunner.from_cfg(cfg)


def test_mmengines_other_way_is_refused():
    cfg = Config(
        dict(launcher='pytorch', model_wrapper_cfg=dict(type='MMFullyShardedDataParallel'))
    )
    with pytest.raises(WrnError, match='as if it were the whole; use --fsdp'):
        init_distributed(cfg)
