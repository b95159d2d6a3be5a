"""Read images as tests and as training see them, in data workers."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias

import cv2
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmpretrain.registry import TRANSFORMS
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from wrn.config.config_errors import config_errors
from wrn.config.config_parts import get_inner_dataset
from wrn.data.checked_reading import CheckedReading
from wrn.data.images import get_content
from wrn.data.images.prefetch import prefetch
from wrn.training.seeding import seed_generators
from wrn.training.worker_signals import ignore_sigterm, unblock_sigterm
from wrn_base.errors import ImageReadError
from wrn_base.systems import hold_sigterm

_AHEAD = 64  # files to hash ahead


class View(NamedTuple):
    """An image as the network sees it.

    Attributes:
        path: The image file.
        number: 0 for the view of a test; the others are random views of training.
        digest: The SHA-256 of the file, from :func:`hash_files`.
    """

    path: str
    number: int
    digest: bytes


class Batch(NamedTuple):
    """Views that were read.

    Attributes:
        views: The views that could be read.
        pixels: Their pixels, ``(n, C, H, W)``, uint8, for each run of views of one size.
        errors: The error of each of the others.
    """

    views: list[View]
    pixels: list[Tensor]
    errors: dict[View, ImageReadError]


_Read: TypeAlias = tuple[View, Tensor | str]  # pixels, or why there are none


def hash_files(paths: Sequence[str], workers: int) -> dict[str, bytes]:
    """Return the SHA-256 of files; empty for a file that cannot be read.

    Args:
        paths: The files.
        workers: The number of threads.
    """
    return dict(zip(paths, prefetch(_hash_file, paths, workers, _AHEAD), strict=True))


def _hash_file(path: str) -> bytes:
    try:
        return hashlib.sha256(get_content(path)).digest()
    except (OSError, ValueError):  # the reading step reports the reason
        return b''


def read_views(cfg: Config, views: Sequence[View], seed: int) -> Iterator[Batch]:
    """Read and preprocess images, in the batches and workers of the config's test.

    Args:
        cfg: A config made by :func:`wrn.training.make_finetune_config`.
        views: The views. Random ones depend only on the seed, their number and the digest.
        seed: The seed.

    Yields:
        The batches, in order.

    Raises:
        WrnError: If the pipeline does not work.
    """
    loader = cfg.test_dataloader
    batch_size, workers = loader.batch_size, loader.num_workers
    few = len(views) <= batch_size
    batches: DataLoader[Any] = DataLoader(
        _Views(cfg, views, seed),
        batch_size,
        num_workers=0 if few else workers,
        collate_fn=_collate,
        worker_init_fn=partial(ignore_sigterm, _use_one_thread, os.getpid()),
    )
    with config_errors(cfg.filename), unblock_sigterm():
        hold_sigterm(True)  # the workers inherit it
        iterator = iter(batches)
    while True:
        with config_errors(cfg.filename):
            batch = next(iterator, None)
        if batch is None:
            return
        yield batch


def _use_one_thread(_: int) -> None:
    cv2.setNumThreads(0)


class _Views(Dataset[_Read]):
    """The views, each with its pixels or the reason why there are none."""

    def __init__(self, cfg: Config, views: Sequence[View], seed: int) -> None:
        self.views = views
        self.seed = seed
        self.test = _build_pipeline(cfg, 'test_dataloader')
        self.train = _build_pipeline(cfg, 'train_dataloader')

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, index: int) -> _Read:
        view = self.views[index]
        if view.number:
            seed_generators(self.seed, view.number, int.from_bytes(view.digest, 'big'))
        pipeline = self.train if view.number else self.test
        try:
            data = pipeline(dict(img_path=view.path, gt_label=0))
        except ImageReadError as error:
            return view, str(error)
        if data is None:  # by CheckedReading of --skip-unreadable
            return view, f'{view.path}: the image cannot be read; remove or replace it'
        if _hash_file(view.path) != view.digest:
            return view, f'{view.path}: was changed while it was read; run the command again'
        return view, data['inputs']


def _build_pipeline(cfg: Config, loader: str) -> Compose:
    steps = get_inner_dataset(cfg, loader).pipeline
    with config_errors(cfg.filename), DefaultScope.overwrite_default_scope('mmpretrain'):
        reading, *others = map(TRANSFORMS.build, steps)
    if not isinstance(reading, CheckedReading):
        reading = CheckedReading(reading)
        reading.skippable = True
    return Compose([reading, *others])


def _collate(items: Iterable[_Read]) -> Batch:
    """Stack pixels in the worker: each tensor that it sends takes a file descriptor."""
    views, pixels, errors = [], [], {}
    for view, result in items:
        if isinstance(result, str):
            errors[view] = ImageReadError(result)
        else:
            views.append(view)
            pixels.append(result)
    runs = [torch.stack([*run]) for _, run in groupby(pixels, lambda tensor: tensor.shape)]
    return Batch(views, runs, errors)
