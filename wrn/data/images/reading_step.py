"""The step of a pipeline that reads image files: mmpretrain's, and ours with a range of values."""

from collections.abc import Mapping, Sequence
from typing import Any

import mmcv
import numpy as np
from mmcv.image import io as mmcv_io
from mmcv.transforms import LoadImageFromFile
from mmengine.registry import DefaultScope
from mmpretrain.registry import TRANSFORMS

from wrn.data.images.decoding import Reading
from wrn.data.images.read import decode_image, get_content
from wrn_base.errors import WrnError


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """mmpretrain's ``LoadImageFromFile`` with the formats, limits and pixels of prediction.

    Args:
        value_range: The values to read as black and white in images of more than 8 bits, such as
            ``(0, 4095)`` for 12-bit values in 16-bit files or ``(0, 1)`` for float images. The
            result has 8 bits. Values outside are clipped, and 8-bit images are not changed.
            Defaults to None: 16-bit values are divided by 256.
        **kwargs: The arguments of ``LoadImageFromFile``.

    Raises:
        WrnError: If an argument has an invalid value, or the package of the ``imdecode_backend`` is
            not installed.
        ImageReadError: If an image cannot be read.
    """

    def __init__(self, value_range: Sequence[float] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if value_range is not None:
            low, high = value_range
            if not -np.inf < low < high < np.inf:
                raise WrnError(f'value_range={value_range}: must be two numbers, the smaller first')
            value_range = (low, high)
        self.reading = Reading(self.color_type, self.imdecode_backend, self.to_float32, value_range)
        _check(self.reading)

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Load the image at ``img_path``.

        Args:
            results: The sample of the dataset.

        Returns:
            The sample with ``img``, ``img_shape`` and ``ori_shape``. None if the image cannot be
            read and ``ignore_empty`` is set.
        """
        path = results['img_path']
        try:
            content = get_content(path, self.backend_args, self.file_client_args)
            pixels = decode_image(content, path, self.reading)
        except Exception:
            if self.ignore_empty:
                return None
            raise
        results.update(img=pixels, img_shape=pixels.shape[:2], ori_shape=pixels.shape[:2])
        return results


def _check(reading: Reading) -> None:
    color_type, backend = reading.color_type, reading.imdecode_backend
    if color_type not in mmcv_io.imread_flags:
        known = ', '.join(mmcv_io.imread_flags)
        raise WrnError(f'color_type={color_type!r}: must be one of {known}')
    if backend not in mmcv_io.supported_backends:
        known = ', '.join(mmcv_io.supported_backends)
        raise WrnError(f'imdecode_backend={backend!r}: must be one of {known}')
    if backend != 'cv2' and reading.value_range:
        raise WrnError(f"imdecode_backend={backend!r}: has no value_range; use 'cv2'")
    before = mmcv_io.imread_backend
    try:
        mmcv.use_backend(backend)  # it loads the library that turbojpeg needs
    except (ImportError, RuntimeError, OSError) as error:
        raise WrnError(
            f"imdecode_backend={backend!r}: unavailable ({error}); install it, or use 'cv2'"
        ) from error
    finally:
        mmcv.use_backend(before)


def with_our_pixels(transform: Any) -> Any:
    """Return :class:`LoadImage` for a ``LoadImageFromFile``, and any other transform unchanged."""
    if type(transform) is not LoadImageFromFile:
        return transform
    names = ('to_float32', 'color_type', 'imdecode_backend', 'ignore_empty')
    ours = LoadImage(**{name: getattr(transform, name) for name in names})
    ours.backend_args = transform.backend_args
    ours.file_client_args = transform.file_client_args
    return ours


def is_reading(step: Mapping[str, Any]) -> bool:
    """Return whether a step of a pipeline reads an image file, by its name."""
    kind = step.get('type')
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', '')
    return name.rpartition('.')[2].startswith('Load')


def split_reading(
    pipeline: Sequence[Mapping[str, Any]],
) -> tuple[Reading | None, list[Mapping[str, Any]]]:
    """Split a pipeline into the options of its reading step, and the other steps.

    Args:
        pipeline: The config of each step.

    Returns:
        The options, None without such a step; and the other steps.

    Raises:
        WrnError: If the step is not one whose pixels prediction can read.
    """
    others = [step for step in pipeline if not is_reading(step)]
    steps = [step for step in pipeline if is_reading(step)]
    if not steps:
        return None, others
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        transform = with_our_pixels(TRANSFORMS.build(dict(steps[0])))
    if len(steps) > 1 or not isinstance(transform, LoadImage):
        names = ', '.join(type(transform).__name__ for step in steps)
        raise WrnError(
            f'{names}: prediction cannot read images by it; use one LoadImageFromFile or LoadImage '
            'in the test pipeline'
        )
    return transform.reading, others
