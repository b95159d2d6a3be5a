"""A run imports matplotlib only if it draws."""

import subprocess
import sys

import numpy as np
import pytest
from mmengine.config import Config
from mmpretrain.structures import DataSample
from mmpretrain.visualization import UniversalVisualizer

from wrn.training import add_log_backend
from wrn.training.hooks.safe_checkpoints import use_safe_checkpoints
from wrn.utils.compat.quick_visualizer import QuickVisualizer, use_quick_visualizer

# A minimal config, without hooks and a visualizer.
MINIMAL = """
custom_imports = dict(imports=['wrn'])
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='WideResNetCIFAR', depth=10, widen_factor=1),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=64,
              loss=dict(type='CrossEntropyLoss'), topk=(1,)))
train_dataloader = dict(
    batch_size=8, num_workers=0,
    dataset=dict(type='Digits', split='train', indices=16,
                 pipeline=[dict(type='Resize', scale=(16, 16), backend='pillow'),
                           dict(type='PackInputs')]),
    sampler=dict(type='DefaultSampler', shuffle=True))
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9))
train_cfg = dict(by_epoch=True, max_epochs=1)
randomness = dict(seed=0, deterministic=True)
"""
SCRIPT = """
import sys
from pathlib import Path
import torch
from wrn_base.cli import main
from wrn.training.hooks.safe_checkpoints import SafeCheckpointHook
written = []
save = SafeCheckpointHook._remove_obsolete
SafeCheckpointHook._remove_obsolete = lambda self: (written.append(1), save(self))
main(['train', 'minimal.py', '--work-dir', 'run'])
assert Path('run/epoch_1.pth').exists()
assert written
assert 'loss' in next(Path('run').glob('*/vis_data/scalars.json')).read_text()
assert torch.are_deterministic_algorithms_enabled()
assert 'matplotlib.figure' not in sys.modules
"""


@pytest.mark.slow
def test_a_run_does_not_import_matplotlib(tmp_path):
    (tmp_path / 'minimal.py').write_text(MINIMAL)
    done = subprocess.run(
        [sys.executable, '-c', SCRIPT], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_it_draws_the_same_as_mmpretrains_visualizer(rng, tmp_path):
    image = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    sample = DataSample().set_gt_label(1).set_pred_label(2)
    pixels = []
    for name, kind in (('theirs', UniversalVisualizer), ('ours', QuickVisualizer)):
        visualizer = kind(name=name)
        visualizer.visualize_cls(image, sample, classes=['a', 'b', 'c'])
        visualizer.visualize_cls(image[:, ::-1], sample)  # with the same figure
        pixels.append(visualizer.get_image())
    np.testing.assert_array_equal(*pixels)
    assert (pixels[0] != image[:, ::-1]).any()


@pytest.mark.parametrize('options', [{}, dict(visualizer=None, default_hooks=None)])
def test_configs_without_hooks_and_visualizer(monkeypatch, options):
    monkeypatch.setitem(sys.modules, 'tensorboard', sys)  # as if it were installed
    cfg = Config(options)
    add_log_backend(cfg, 'tensorboard')
    use_quick_visualizer(cfg)
    use_safe_checkpoints(cfg)
    assert cfg.visualizer.type == 'QuickVisualizer'
    kinds = [backend.type for backend in cfg.visualizer.vis_backends]
    assert kinds == ['LocalVisBackend', 'TensorboardVisBackend']
    assert cfg.default_hooks.checkpoint.type == 'SafeCheckpointHook'
