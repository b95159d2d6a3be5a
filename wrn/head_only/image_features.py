"""Compute the features of image files, and keep them in the cache for later runs."""

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from mmengine.config import Config
from mmengine.model import BaseModel
from torch import Tensor

from wrn.head_only.feature_cache import FeatureCache
from wrn.head_only.feature_network import choose_backend, describe_features, extract
from wrn.head_only.phases import AGAIN, interruptible
from wrn.head_only.views import View, hash_files, read_views
from wrn.utils.memory import batch_errors
from wrn_base.errors import ImageReadError, WrnError, count
from wrn_base.progress_line import clock
from wrn_base.run_progress import SILENT, RunProgress, Step

_BLOCK_SECONDS = 5.0  # of work that a killed process loses
_BLOCK_BYTES = 32 << 20
_BATCH_SIZE = '--cfg-options test_dataloader.batch_size'

Features: TypeAlias = np.ndarray | ImageReadError
"""The features of an image, ``(C,)``, float32, or the error if it cannot be read."""


def compute_features(
    network: BaseModel,
    cfg: Config,
    images: Sequence[tuple[str, int]],
    seed: int = 0,
    skip_unreadable: bool = False,
    progress: RunProgress = SILENT,
) -> list[Features]:
    """Return the features of images, as far as possible from the cache.

    What was computed is kept even if this is interrupted. Files of the same content are computed
    once.

    Args:
        network: A network from :func:`wrn.head_only.feature_network.build_feature_network`.
        cfg: The config of the fine-tuning run, with the pipelines.
        images: The path of each image, and 0 for the view of a test, or the number of a random view
            of training.
        seed: The seed of the random views. Defaults to 0.
        skip_unreadable: Whether to return the errors of images that cannot be read, rather than
            raise the first one. Defaults to False.
        progress: Receives the phases, and the images whose features are known as steps. Defaults
            to nobody.

    Returns:
        The features of each image.

    Raises:
        WrnError: If the pipeline or the network does not work.
        ImageReadError: If an image cannot be read.
        KeyboardInterrupt: At Ctrl-C. Its message names the phase, or says how many images are done.
    """
    loader = cfg.test_dataloader
    paths = [*dict.fromkeys(path for path, _ in images)]
    with interruptible(progress, f'reading {count(len(paths), "image")}'):
        digests = hash_files(paths, loader.num_workers)
        views = [View(path, number, digests[path]) for path, number in images]
        store = _FeatureStore(network, cfg, views, seed)
        missing = store.list_missing()
    total, left = len(views), len(missing)
    with (
        interruptible(progress, 'preparing the network'),
        batch_errors(loader.batch_size, _BATCH_SIZE),
    ):
        fast = choose_backend(network, left, loader.batch_size)
    counter = _ImageCounter(progress)
    try:
        counter.report(total - left, total)
        for batch in read_views(cfg, missing, seed):
            rows = [row for pixels in batch.pixels for row in _extract(fast, network, pixels)]
            store.add(zip(batch.views, rows, strict=True))
            store.add(batch.errors.items())
            for error in batch.errors.values():
                if not skip_unreadable:
                    raise error
            left -= len(rows) + len(batch.errors)
            counter.report(total - left, total)
    except KeyboardInterrupt:
        number = f'{total - left} of {count(total, "image")}'
        message = f'stopped after {number}; {AGAIN}'
        raise KeyboardInterrupt(message) from None
    finally:
        store.flush()
    progress.end(counter.summarize())
    return [store[view] for view in views]


def _extract(fast: BaseModel, network: BaseModel, pixels: Tensor) -> Iterator[np.ndarray]:
    """Yield the features of each image. A backend may take images of one size only."""
    size = getattr(getattr(fast, 'engine', None), 'size', None)
    with batch_errors(len(pixels), _BATCH_SIZE):
        rows = extract(fast if size in (None, pixels.shape[2:]) else network, pixels).numpy()
    if not np.isfinite(rows).all():
        raise WrnError(
            f'{network._config.load_from}: the network computes NaN or infinity from the images; '
            'check these weights, --mean and --std'
        )
    yield from rows


class _ImageCounter:
    """Reports images as steps, with the throughput and the time left."""

    def __init__(self, progress: RunProgress) -> None:
        self._progress = progress
        self._first: int | None = None  # the number of images that were known before
        self._done = 0

    def report(self, done: int, total: int) -> None:
        """Receive the number of images whose features are known, and of all."""
        if self._first is None:
            self._first, self._start = done, time.monotonic()
        self._done = done - self._first
        self._seconds = time.monotonic() - self._start
        rate = self._done / self._seconds if self._done else None
        left = (total - done) / rate if rate else None
        self._progress.step(
            Step('features', done, total, done / total, images_per_second=rate, seconds_left=left)
        )

    def summarize(self) -> str | None:
        """Return what was done. None if the features of all images were known."""
        number = count(self._done, 'image')
        return f'features of {number} in {clock(self._seconds)}' if self._done else None


class _FeatureStore:
    """The features of this run, in memory, and in the cache for later runs."""

    def __init__(self, network: BaseModel, cfg: Config, views: Sequence[View], seed: int) -> None:
        self._views = views
        self._features: dict[tuple[int, bytes], Features] = {}
        self._caches: dict[bool, FeatureCache] = {}  # by whether they are of random views
        self._new: dict[bool, dict[bytes, np.ndarray]] = defaultdict(dict)  # not in the cache yet
        self._written = time.monotonic()
        wanted: dict[bool, dict[bytes, View]] = defaultdict(dict)
        for view in views:
            if view.digest:
                wanted[view.number > 0][_make_key(view)] = view
        for is_random, by_key in wanted.items():
            name = describe_features(network, cfg, (seed,) if is_random else ())
            cache = self._caches[is_random] = FeatureCache(name, cfg.model.head.in_channels)
            found = cache.load(by_key)
            self._features |= {_identify(by_key[key]): row for key, row in found.items()}

    def __getitem__(self, view: View) -> Features:
        return self._features[_identify(view)]

    def list_missing(self) -> list[View]:
        """Return the views without features, the first of each content."""
        views = {_identify(view): view for view in reversed(self._views)}
        missing = [view for key, view in views.items() if key not in self._features]
        return missing[::-1]

    def add(self, features: Iterable[tuple[View, Features]]) -> None:
        """Add the features of views. From time to time they are written to the cache."""
        for view, row in features:
            self._features[_identify(view)] = row
            if isinstance(row, np.ndarray) and view.digest:
                self._new[view.number > 0][_make_key(view)] = row
        size = sum(row.nbytes for rows in self._new.values() for row in rows.values())
        if size >= _BLOCK_BYTES or time.monotonic() - self._written >= _BLOCK_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write to the cache what is not in it yet."""
        for is_random, rows in self._new.items():
            self._caches[is_random].add([*rows], np.stack([*rows.values()]))
        self._new.clear()
        self._written = time.monotonic()


def _identify(view: View) -> tuple[int, bytes]:
    """Return what two views with the same features have in common."""
    return view.number, view.digest or view.path.encode(errors='surrogateescape')


def _make_key(view: View) -> bytes:
    """Return what the cache knows the features of a view by: 32 bytes.

    All random views of a network are in one cache: with one for each number, the time to write them
    would grow with the square of the number of views.
    """
    if not view.number:
        return view.digest
    return hashlib.sha256(view.digest + view.number.to_bytes(8, 'big')).digest()
