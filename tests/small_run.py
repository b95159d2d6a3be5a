"""A network and images so small that a run takes seconds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_COLORS = [(220, 40, 40), (40, 40, 220), (40, 200, 40), (200, 200, 40)]
_CONFIG = """
custom_imports = dict(imports=['wrn'], allow_failed_imports=False)
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='WideResNetCIFAR', depth=10, widen_factor=1),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=3, in_channels=64, topk=(1,),
              loss=dict(type='CrossEntropyLoss', loss_weight=1.0)),
)
data_preprocessor = dict(num_classes=3, mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True)
pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(16, 16)),
    dict(type='PackInputs'),
]
loader = dict(batch_size=8, num_workers=0, persistent_workers=False)
train_dataloader = dict(
    **loader,
    dataset=dict(type='CustomDataset', data_root='data', data_prefix='train', pipeline=pipeline),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    **loader,
    dataset=dict(type='CustomDataset', data_root='data', data_prefix='val', pipeline=pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type='Accuracy', topk=(1,))
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9))
param_scheduler = [dict(type='CosineAnnealingLR', T_max=4, by_epoch=True, begin=0, end=4)]
train_cfg = dict(by_epoch=True, max_epochs=4, val_interval=1)
val_cfg = test_cfg = dict()
randomness = dict(seed=0)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='CheckpointHook', interval=1),
)
"""


def write_classes(
    folder: Any, classes: Sequence[str], number: int, colors: Sequence[int] | None = None
) -> None:
    """Write images of 32x32 pixels into class folders; ``colors`` has the color of each class."""
    rng = np.random.default_rng(number)
    for color, name in zip(colors or range(len(classes)), classes, strict=True):
        path = Path(folder, name)
        path.mkdir(parents=True)
        for i in range(number):
            pixels = np.array(_COLORS[color]) + rng.normal(0, 25, (32, 32, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path / f'{i:03}.png')


def write_data(folder: Any, train: int, val: int = 2) -> None:
    """Write the data of :func:`write_config`, with so many images of each class."""
    for split, number in (('train', train), ('val', val)):
        write_classes(Path(folder, 'data', split), ['ape', 'bee', 'cat'], number)


def write_config(path: Any, more: str = '') -> str:
    """Write a config that trains on ``data/train`` and validates on ``data/val``."""
    Path(path).write_text(_CONFIG + more)
    return str(path)
