"""A run whose steps and validations take simulated time."""

import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmpretrain.structures import DataSample


class Clock:
    """The time, as a class attribute, since mmengine copies the objects that use it."""

    now = 0.0


class Data(torch.utils.data.Dataset):
    """Ten images that take 2.5 ms each to load."""

    metainfo: ClassVar = {}

    def __len__(self):
        return 10

    def __getitem__(self, index):
        Clock.now += 0.0025
        return dict(inputs=torch.ones(1), data_samples=DataSample())


class Network(BaseModel):
    """A network whose steps take 10 ms, and the first one a second more."""

    def __init__(self):
        super().__init__()
        self.cold = True
        self.weight = torch.nn.Parameter(torch.tensor(0.0))

    def forward(self, inputs, data_samples, mode):
        Clock.now += 0.01 + self.cold
        self.cold = False
        return dict(loss=0.75 + 0 * self.weight) if mode == 'loss' else data_samples


class Metric(BaseMetric):
    """A metric that takes 30 seconds."""

    default_prefix = 'accuracy'
    value = 62.5

    def process(self, data_batch, data_samples):
        self.results += data_samples

    def compute_metrics(self, results):
        Clock.now += 30
        return dict(top1=self.value, each=[50.0, 75.0], matrix=torch.eye(2))


def use_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the time by that of :class:`Clock`, which starts at 0."""
    monkeypatch.setattr(Clock, 'now', 0.0)
    monkeypatch.setattr(time, 'time', lambda: Clock.now)
    monkeypatch.setattr(time, 'monotonic', lambda: Clock.now)


def build_run(
    folder: Path,
    train_cfg: dict[str, Any] | None = None,
    drop_last: bool = False,
    accumulate: int = 1,
    **kwargs: Any,
) -> Runner:
    """Build a runner that trains for two epochs of three steps, with a validation after each."""
    loader = dict(
        batch_size=4,
        num_workers=0,
        dataset=Data(),
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    optimizer = dict(type='SGD', lr=0.0125)
    return Runner(
        model=Network(),
        work_dir=str(folder),
        train_dataloader=dict(loader, drop_last=drop_last),
        train_cfg=train_cfg or dict(by_epoch=True, max_epochs=2),
        optim_wrapper=dict(optimizer=optimizer, accumulative_counts=accumulate),
        **dict(val_dataloader=loader, val_cfg=dict(), val_evaluator=Evaluator(Metric()))
        | {key: kwargs.pop(key) for key in [*kwargs] if key.startswith('val_')},
        test_dataloader=loader,
        test_cfg=dict(),
        test_evaluator=Evaluator(Metric()),
        default_hooks={
            'timer': dict(type='ThroughputHook'),
            'logger': dict(type='LoggerHook', interval=1),
            'checkpoint': dict(type='CheckpointHook', interval=1),
            **kwargs.pop('default_hooks', {}),
        },
        log_processor={'type': 'ProgressLogProcessor', **kwargs.pop('log_processor', {})},
        experiment_name=str(folder),
        default_scope='mmpretrain',
        **kwargs,
    )
