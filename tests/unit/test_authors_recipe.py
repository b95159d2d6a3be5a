"""The differences from the authors' code in docs/cifar.md, read from built runners."""

from collections import Counter

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpretrain.datasets import CIFAR10
from mmpretrain.registry import DATASETS

from wrn.training.runner import build_runner
from wrn_base import model_index

ROOT = model_index.root()
NAME = 'wide-resnet16-2_8xb16_cifar10'


class BlackImages(CIFAR10):
    """As many images as CIFAR-10 has."""

    def load_data_list(self):
        image = np.zeros((32, 32, 3), np.uint8)
        return [dict(img=image, gt_label=0)] * 50_000


@pytest.fixture(scope='module')
def build(tmp_path_factory):
    DATASETS.register_module(module=BlackImages)

    def build(name, batch_size=128):
        cfg = Config.fromfile(ROOT / f'configs/wrn/{name}.py')
        cfg.work_dir = str(tmp_path_factory.mktemp('run'))
        cfg.launcher = 'none'
        cfg.train_dataloader.update(batch_size=batch_size, num_workers=0, persistent_workers=False)
        dataset = cfg.train_dataloader.dataset
        dataset.update(type='BlackImages', split='train', serialize_data=False, download=False)
        for key in [key for key in cfg if key.startswith(('val_', 'test_'))]:
            cfg.pop(key)
        cfg.model.backbone.update(depth=10)  # the depth changes nothing below
        runner = build_runner(cfg, ['train_dataloader'], [])
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
        return runner

    yield build
    DATASETS.module_dict.pop('BlackImages')


@pytest.fixture(scope='module')
def runner(build):
    return build(NAME)


@pytest.fixture
def table(checkout):
    """Our cell of each row."""
    text = (checkout / 'docs/cifar.md').read_text().partition("from the authors' code\n")[2]
    rows = [line.split(' | ') for line in text.partition('\n## ')[0].splitlines() if '| ' in line]
    return {cells[0].removeprefix('| '): cells[1] for cells in rows[1:]}


def texts(values):
    values = [f'{value:.4g}' for value in values]
    return f'{", ".join(values[:-1])} and {values[-1]}'


def schedule(runner):
    """The epochs at each learning rate, in words."""
    optimizer = runner.optim_wrapper.optimizer
    runner.optim_wrapper.step()  # without gradients, as torch wants before its schedulers
    rates = []
    for _ in range(runner.cfg.train_cfg.max_epochs):
        rates.append(optimizer.param_groups[0]['lr'])
        for scheduler in runner.param_schedulers:
            scheduler.step()
    rates = Counter(f'{rate:.4g}' for rate in rates)
    return f'{texts(rates.values())} at {texts(map(float, rates))}'


def test_initialization(runner, table):
    torch.manual_seed(0)
    model = runner.model
    model.init_weights()
    convolution = model.backbone.layer1[0].conv1.weight
    linear, norms = (
        model.head.fc,
        [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)],
    )
    rows = iter(table.values())
    for weight, noise in ((convolution, 0.05), (linear.weight, 0.08)):
        deviation, distribution = next(rows).split(', ')
        assert weight.std().item() == pytest.approx(float(deviation), rel=noise)
        assert (weight.abs().max() > 2.2 * weight.std()) == (distribution == 'normal')
    assert not linear.bias.any()
    weights = torch.cat([norm.weight for norm in norms])
    least, most = weights.min().item(), weights.max().item()
    assert f'{least:g} to {most:g}' == table['weights of the norms at the start']


def test_schedules(build, table):
    row = 'epochs at each learning rate'
    assert schedule(build(NAME)) == table[row]
    assert schedule(build('wide-resnet16-4_8xb16_svhn')) == table[f'{row} on SVHN']


def test_optimizer(build, table):
    runner = build(NAME)
    optimizer = runner.optim_wrapper.optimizer
    assert (table['Nesterov'] == 'yes') == optimizer.param_groups[0]['nesterov']
    runner.model(torch.rand(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    state = [entry['momentum_buffer'].clone() for entry in optimizer.state.values()]
    schedule(runner)
    kept = [entry['momentum_buffer'] for entry in optimizer.state.values()]
    assert table['momentum at a drop'] == 'kept'
    assert state
    torch.testing.assert_close(kept, state, rtol=0, atol=0)


def test_data(runner, build, table):
    loader = runner.train_dataloader
    sizes = [len(batch) for batch in loader.batch_sampler]
    assert table['batches in an epoch'] == f'{len(loader)}, the last of {sizes[-1]} images'
    normalize = runner.model.data_preprocessor
    mean, deviation = (
        ', '.join(f'{value:.1f}' for value in values.flatten().tolist())
        for values in (normalize.mean, normalize.std)
    )
    assert table['whitening'] == f'none; mean {mean} and standard deviation {deviation}'
    each = Config.fromfile(ROOT / f'configs/wrn/{NAME}.py').train_dataloader.batch_size
    gpus = runner.cfg.auto_scale_lr.base_batch_size // each
    text = f'{each} on each of {gpus} GPUs, or {loader.batch_size} on one'
    assert table['images that a norm sees'] == text
    dropout = build('wide-resnet16-8-dropout_8xb16_cifar10').model.backbone.layer1[0].dropout
    assert table['dropout, in configs named so'] == f'{dropout.p}'
