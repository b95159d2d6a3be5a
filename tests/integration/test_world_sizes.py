"""The schedule of 8xb32 in the runner that is built for one, two and eight processes."""

import math

import pytest
import torch
from commands import make_config
from torch.testing._internal.distributed.fake_pg import FakeStore

from wrn.training.loop import use_exact_loop
from wrn.training.runner import build_runner


@pytest.fixture(params=[1, 2, 8])
def world_size(request):
    """Simulate a job of several processes, with this as the first, by torch's fake backend."""
    if request.param == 1:
        yield 1
        return
    torch.distributed.init_process_group(
        'fake', rank=0, world_size=request.param, store=FakeStore()
    )  # fmt: skip
    yield request.param
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize('known', [True, False])
def test_a_batch_size_scales_the_rate(world_size, known, make_image_folder, tmp_path):
    """From the base batch size of the config, else from its batch size on as many processes."""
    root = make_image_folder(classes=2, train=64)  # a batch of all processes, which would be less
    settings = [
        f'train_dataloader.dataset.data_root={root}',
        'train_dataloader.dataset.metainfo.classes=[a,b]',
        'model.backbone.depth=18',
        'model.backbone.widen_factor=1',
        'model.head.in_channels=512',
        'model.head.num_classes=2',
        f'auto_scale_lr.base_batch_size={256 if known else 0}',
    ]
    words = ['train', 'wide-resnet50_3rdparty_8xb32_in1k', '--work-dir', str(tmp_path)]
    cfg = make_config(*words, '--batch-size', '16', '--cfg-options', *settings)
    runner = build_runner(cfg, ['train_dataloader'], [])
    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.scale_lr(wrapper, runner.auto_scale_lr)
    expected = 0.1 * 16 * world_size / (256 if known else 32 * world_size)
    assert wrapper.get_lr()['lr'][0] == pytest.approx(expected)


@pytest.mark.parametrize('accumulates', [True, False])
def test_8xb32(world_size, accumulates, make_image_folder, tmp_path):
    """Updates have 256 images with accumulation; else the rate is scaled in proportion."""
    root = make_image_folder(classes=2, train=300)
    counts = 8 // world_size if accumulates else 1
    settings = [
        f'train_dataloader.dataset.data_root={root}',
        'train_dataloader.dataset.metainfo.classes=[a,b]',
        'train_dataloader.num_workers=0',
        'model.backbone.depth=18',
        'model.backbone.widen_factor=1',
        'model.head.in_channels=512',
        'model.head.num_classes=2',
        f'optim_wrapper.accumulative_counts={counts}',
    ]
    words = ['train', 'wide-resnet50_3rdparty_8xb32_in1k', '--work-dir', str(tmp_path)]
    words += ['--auto-scale-lr', '--cfg-options', *settings]
    cfg = make_config(*words)
    use_exact_loop(cfg)
    runner = build_runner(cfg, ['train_dataloader'], [])
    assert runner.world_size == world_size
    updates = len(runner.train_loop.dataloader) / counts
    assert updates == math.ceil(600 / 32 / world_size / counts)
    wrapper = runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.scale_lr(wrapper, runner.auto_scale_lr)
    (scheduler,) = runner.build_param_scheduler(runner.param_schedulers)
    wrapper.step()  # the scheduler would warn if no step came before its own
    rates = []
    for _ in range(100):
        rates.append(wrapper.get_lr()['lr'][0])
        scheduler.step()
    rate = 0.1 * counts * world_size / 8
    expected = [rate * 0.1 ** sum(epoch >= step for step in (30, 60, 90)) for epoch in range(100)]
    assert rates == pytest.approx(expected)
