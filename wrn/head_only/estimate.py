"""Estimate how long it takes to train all layers of a network, and to train its head alone."""

import contextlib
import os
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from itertools import cycle, islice

import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from wrn.config.config_parts import get_data_preprocessor
from wrn.data.splitting import Splits
from wrn.head_only.feature_network import extract
from wrn.head_only.views import View, hash_files, read_views

_IMAGES = 4  # to read
_SECONDS = 0.5  # batches are made larger until a call takes as long


@dataclass(frozen=True)
class Estimate:
    """The seconds that two ways of fine-tuning take on this machine, without the start.

    Attributes:
        all_layers: The seconds of all epochs and the test.
        head_only: The seconds of the features, if eager computes them. Many are computed by a
            faster backend.
    """

    all_layers: float
    head_only: float


def estimate_durations(cfg: Config, splits: Splits) -> Estimate | None:
    """Measure a few images, and estimate the time of a whole run on the CPU.

    Args:
        cfg: A config made by :func:`wrn.training.make_finetune_config`, with the options applied.
        splits: The images.

    Returns:
        The estimate. None if none of the first images can be read.
    """
    paths = [str(splits.folder / path) for path, _ in splits.images['train'][:_IMAGES]]
    digests = hash_files(paths, 1)
    pixels, reading = [], []
    for number in (0, 1):  # as in a test, and as in training
        start = time.perf_counter()
        views = [View(path, number, digests[path]) for path in paths]
        (batch,) = read_views(cfg, views, 0)
        reading.append((time.perf_counter() - start) / len(views) / (os.cpu_count() or 1))
        pixels += batch.pixels[:1]
    if len(pixels) < len(reading):
        return None
    network = _build(cfg)
    batch_size = cfg.train_dataloader.batch_size
    test = _measure(lambda images: extract(network, images), pixels[0], batch_size) + reading[0]
    step = _measure(_make_step(network.train(), cfg), pixels[1], batch_size) + reading[1]
    numbers = {name: len(images) for name, images in splits.images.items()}
    validated = numbers['val'] if cfg.val_cfg is not None else 0
    epoch = numbers['train'] * step + validated * test
    apart = numbers['test'] if splits.tests_apart else 0
    return Estimate(
        cfg.train_cfg.max_epochs * epoch + numbers['test'] * test,
        (numbers['train'] + numbers['val'] + apart) * test,
    )


def _build(cfg: Config) -> BaseModel:
    """Build the network with random weights, which take as long as any others."""
    parts = dict(deepcopy(cfg.model), data_preprocessor=deepcopy(get_data_preprocessor(cfg)))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(parts).eval()


def _make_step(network: BaseModel, cfg: Config) -> Callable[[Tensor], object]:
    """Return a function that computes the gradients of a batch, as a step of training does."""
    mixed = cfg.optim_wrapper.get('type') == 'BFloat16OptimWrapper'
    context = torch.autocast('cpu', torch.bfloat16) if mixed else contextlib.nullcontext()

    def step(images: Tensor) -> None:
        network.zero_grad()
        samples = [DataSample().set_gt_label(0) for _ in images]
        data = network.data_preprocessor(dict(inputs=images, data_samples=samples), training=True)
        with context:
            losses = network(**data, mode='loss')
        network.parse_losses(losses)[0].backward()

    return step


def _measure(compute: Callable[[Tensor], object], images: Tensor, largest: int) -> float:
    """Return the seconds per image, in a batch that is large enough to measure."""
    number = 2
    compute(_repeat(images, number))  # the first call is slower
    while True:
        batch = _repeat(images, number)
        start = time.perf_counter()
        compute(batch)
        seconds = time.perf_counter() - start
        if seconds >= _SECONDS or number >= largest:
            return seconds / number
        number = min(2 * number, largest)


def _repeat(images: Tensor, number: int) -> Tensor:
    return torch.stack([*islice(cycle(images), number)])
