"""Fixtures for the tests of packages that use the networks."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from wrn import WideResNet
from wrn_base import model_index

NARROW = dict(base_channels=8, stem_channels=8)


@pytest.fixture
def narrow(randomize, tmp_path, monkeypatch):
    """The network of the example configs, narrower, and random weights under their name."""
    network = randomize(WideResNet(50, 2, **NARROW))
    torch.save({f'backbone.{k}': v for k, v in network.state_dict().items()}, tmp_path / 'w.pth')
    entry = model_index.models()['wide-resnet50_3rdparty_8xb32_in1k']
    monkeypatch.setitem(entry.data, 'Sources', [])
    monkeypatch.setattr(entry, 'weights', str(tmp_path / 'w.pth'))
    return SimpleNamespace(
        options=NARROW, channels=[32, 64, 128, 256], state_dict=network.state_dict()
    )


@pytest.fixture
def read_example(checkout, tmp_path):
    """Read an example config, and adapt the run to a CPU."""

    def read(name):
        cfg = Config.fromfile(checkout / 'configs' / name)
        for split in ('train', 'val', 'test'):
            cfg[f'{split}_dataloader'].update(num_workers=0, persistent_workers=False)
        cfg.work_dir = str(tmp_path / 'run')
        cfg.experiment_name = cfg.visualizer.name = tmp_path.name  # mmengine keeps one a name
        cfg.randomness = dict(seed=0)
        return cfg

    return read


@pytest.fixture
def train_two_steps(narrow):
    """Train by a config. Check the losses, and which weights of the backbone change.

    With ``frozen``, the first stage is frozen, and so are all statistics. Return the model, and the
    model that ``load`` makes of the last checkpoint.
    """

    def train(cfg, frozen, load):
        runner = Runner.from_cfg(cfg)
        runner.train()
        losses, _ = runner.message_hub.get_scalar('train/loss').data
        assert len(losses) == 2
        assert np.isfinite(losses).all()
        trained = runner.model.backbone.state_dict()
        for key, before in narrow.state_dict.items():
            still = 'running' in key or 'tracked' in key
            still |= key.startswith(('conv1', 'bn1', 'layer1'))
            assert torch.equal(trained[key], before) == (frozen and still), key
        checkpoint = Path(cfg.work_dir, Path(cfg.work_dir, 'last_checkpoint').read_text())
        loaded = load(cfg, str(checkpoint), device='cpu')
        for key, value in runner.model.state_dict().items():
            assert torch.equal(loaded.state_dict()[key], value), key
        runner.model.cfg = cfg
        return runner.model.eval(), loaded

    return train
