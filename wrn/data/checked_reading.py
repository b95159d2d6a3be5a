"""Stop at a picture that cannot be read, naming it, or take another and count it."""

import io
import multiprocessing
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmengine import fileio
from mmengine.config import ConfigDict
from mmpretrain.registry import TRANSFORMS

from wrn.data.damage import find_damage
from wrn.data.images import decode_image
from wrn.utils.errors import ImageReadError, WrnError

NAMED = 3  # how many skipped pictures are named


class _LoadImage(LoadImageFromFile):
    """Load the pixels that prediction sees."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        path = results['img_path']
        pixels = decode_image(fileio.get(path, backend_args=self.backend_args), path)
        results['img'] = pixels.astype(np.float32) if self.to_float32 else pixels
        results['img_shape'] = results['ori_shape'] = pixels.shape[:2]
        return results


def _reads_colour(transform: Any) -> bool:
    return (
        type(transform) is LoadImageFromFile
        and (transform.color_type, transform.imdecode_backend) == ('color', 'cv2')
        and not transform.ignore_empty
        and transform.file_client_args is None
    )


@TRANSFORMS.register_module()
class CheckedReading(BaseTransform):
    """Read images by another transform, and say which one cannot be read, or skip it.

    ``LoadImageFromFile`` with OpenCV, in colour, which is its default, is replaced: it decodes by
    :func:`wrn.data.images.decode_image`, so that training reads the formats that prediction reads,
    and sees the same pixels.

    To skip means to return None, for which mmengine's data sets take a random other sample. Never
    do so where accuracy is measured. The other is drawn by numpy's global random state, so the
    same seed takes the same samples.

    Args:
        transform: The transform that reads, such as ``dict(type='LoadImageFromFile')``.
        skip: Whether to skip pictures that cannot be read. Defaults to False.

    Raises:
        ImageReadError: At a picture that cannot be read, unless it is skipped.
    """

    def __init__(self, transform: dict | Callable, skip: bool = False) -> None:
        inner: Any = TRANSFORMS.build(transform) if isinstance(transform, dict) else transform
        if _reads_colour(inner):
            inner = _LoadImage(inner.to_float32, backend_args=inner.backend_args)
        self.inner = inner
        self.skip = skip
        if skip:  # shared with the worker processes, which inherit them
            self._number = multiprocessing.Value('q', 0)
            self._names: multiprocessing.SimpleQueue[str] = multiprocessing.SimpleQueue()

    def transform(self, results: dict[str, Any]) -> Any:
        """Read a picture.

        Args:
            results: The sample, whose ``img_path`` is the file of the picture.

        Returns:
            What the transform returns; None for a picture that is skipped.
        """
        try:
            return self.inner(results)
        except Exception as error:  # readers raise errors of every kind
            path = str(results.get('img_path') or '')
            reason = self._find_reason(path) if path else None
            if reason is None:  # the picture is fine, so something else is wrong
                raise
            if not self.skip:
                raise ImageReadError(
                    f'{path}: the picture cannot be read ({reason}); remove or replace it; '
                    '`wrn check-data` finds all of them'
                ) from error
        with self._number.get_lock():
            self._number.value += 1
            if self._number.value <= NAMED:  # no more than a pipe holds
                self._names.put(path)
        return None

    def take_skipped(self) -> tuple[int, list[str]]:
        """Return how many pictures were skipped since the last call, and the first of them."""
        with self._number.get_lock():
            number, self._number.value = self._number.value, 0
            return number, [self._names.get() for _ in range(min(number, NAMED))]

    def _find_reason(self, path: str) -> str | None:
        try:
            content = fileio.get(path, backend_args=getattr(self.inner, 'backend_args', None))
        except Exception as error:
            return getattr(error, 'strerror', None) or ' '.join(str(error).split())
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            damage = find_damage(io.BytesIO(content), path)
        return damage and damage.reason

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.inner!r}, skip={self.skip})'


def skip_unreadable(dataset: ConfigDict) -> None:
    """Let a data set skip pictures that cannot be read.

    Args:
        dataset: The config of a data set that may be wrapped in others, whose pipelines' first
            transform is the one that reads.

    Raises:
        WrnError: If there is no pipeline.
    """
    for inner in dataset.get('datasets') or ([dataset.dataset] if 'dataset' in dataset else []):
        skip_unreadable(inner)
    if 'dataset' in dataset or 'datasets' in dataset:
        return
    if not dataset.get('pipeline'):
        raise WrnError(f'{dataset.type}: has no pipeline whose first transform reads pictures')
    first, *others = dataset.pipeline
    dataset.pipeline = [dict(type='CheckedReading', transform=first, skip=True), *others]


def check_reading(dataset: Any) -> Iterator[CheckedReading]:
    """Let a data set name pictures that it cannot read.

    Args:
        dataset: A data set that may wrap others; those with a pipeline are changed in place. None
            is none.

    Yields:
        The transforms that read.
    """
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    if inner[0] is not None:  # whose pipelines a wrapper may show as its own
        for wrapped in inner:
            yield from check_reading(wrapped)
        return
    transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', None)
    if transforms:
        if not isinstance(transforms[0], CheckedReading):
            transforms[0] = CheckedReading(transforms[0])
        yield transforms[0]
