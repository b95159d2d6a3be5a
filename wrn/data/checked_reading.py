"""Stop at an image that cannot be read and name it, or skip and list it."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

from mmcv.transforms import BaseTransform
from mmengine.config import ConfigDict
from mmpretrain.registry import TRANSFORMS

from wrn.config.config_parts import unwrap_datasets
from wrn.data.damage import find_damage
from wrn.data.images import get_content, with_our_pixels
from wrn.data.skipped_files import SkippedFiles
from wrn_base.errors import DownloadError, ImageReadError, WrnError, one_line


@TRANSFORMS.register_module()
class CheckedReading(BaseTransform):
    """Read images by another transform, and name or skip those that cannot be read.

    A ``LoadImageFromFile`` is replaced by :class:`wrn.data.images.LoadImage`, so training reads the
    same formats and pixels as prediction.

    For a skipped image this returns None, and mmengine's datasets then draw another sample from
    numpy's global random state. The same seed therefore gives the same samples. Never skip images
    where accuracy is measured.

    Args:
        transform: The transform that reads, such as ``dict(type='LoadImageFromFile')``.
        skip: Whether to skip images that cannot be read. Defaults to False.

    Attributes:
        skippable: Whether ``--skip-unreadable`` would skip its images, for the message. False at
            first.
        skipped: The images that were skipped. None if ``skip`` is not set.

    Raises:
        ImageReadError: If an image cannot be read and is not skipped.
    """

    skippable = False

    def __init__(self, transform: dict[str, Any] | Callable[..., Any], skip: bool = False) -> None:
        inner: Any = TRANSFORMS.build(transform) if isinstance(transform, dict) else transform
        self.inner = with_our_pixels(inner)
        self.skip = skip
        self.skipped = SkippedFiles() if skip else None

    def transform(self, results: dict[str, Any]) -> Any:
        """Read an image.

        Args:
            results: The sample; ``img_path`` is the image file.

        Returns:
            The result of the inner transform. None for a skipped image.
        """
        try:
            return self.inner(results)
        except Exception as error:  # readers raise many types
            path = str(results.get('img_path') or '')
            reason = self._find_reason(path, error) if path else None
            if reason is None:  # the image is complete, so the error has another cause
                raise
            if self.skipped is None:
                cure = ', or add --skip-unreadable' if self.skippable else ''
                raise ImageReadError(
                    f'{path}: the image cannot be read ({reason}); remove or replace it{cure}; '
                    '`wrn check-data` lists all such images'
                ) from error
        self.skipped.add(path)
        return None

    def _find_reason(self, path: str, error: Exception) -> str | None:
        if isinstance(error, ImageReadError):
            return one_line(error.__cause__ or error)
        if isinstance(error, DownloadError):
            return one_line(error)
        try:
            content = get_content(path, getattr(self.inner, 'backend_args', None))
        except Exception as missing:
            return one_line(missing)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            damage = find_damage(content, path)
        return damage and damage.reason

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.inner!r}, skip={self.skip})'


def skip_unreadable(dataset: ConfigDict) -> None:
    """Make a dataset skip images that cannot be read.

    Args:
        dataset: The config of the dataset, which may be wrapped in others. It is changed in place.
            The first transform of its pipeline must read the image.

    Raises:
        WrnError: If the dataset has no pipeline.
    """
    for _, inner in unwrap_datasets(dataset):
        if not inner.get('pipeline'):
            raise WrnError(f'{inner.type}: has no pipeline; run without --skip-unreadable')
        first, *others = inner.pipeline
        inner.pipeline = [dict(type='CheckedReading', transform=first, skip=True), *others]


def check_reading(dataset: Any) -> Iterator[CheckedReading]:
    """Make a dataset name the images that it cannot read.

    Args:
        dataset: The dataset, which may wrap others. Its pipelines are changed in place. None yields
            nothing.

    Yields:
        The transforms that read.
    """
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    if inner[0] is not None:  # a wrapper may expose the pipelines of these as its own
        for wrapped in inner:
            yield from check_reading(wrapped)
        return
    transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', None)
    if transforms:
        if not isinstance(transforms[0], CheckedReading):
            transforms[0] = CheckedReading(transforms[0])
        yield transforms[0]
