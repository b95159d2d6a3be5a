"""Load pictures to train with."""

import io
from typing import Any

import cv2
import numpy as np
import torch
from mmengine import fileio
from mmpretrain.datasets import RandomResizedCrop
from mmpretrain.registry import TRANSFORMS
from PIL import ExifTags, Image
from torch.nn import functional

from wrn.data.images import decode_image
from wrn.utils.errors import ImageReadError, WrnError

_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


@TRANSFORMS.register_module()
class LoadRandomResizedCrop(RandomResizedCrop):
    """Load a picture and resize a random crop of it, antialiased.

    ``LoadImageFromFile`` and ``RandomResizedCrop`` with ``backend='pillow'`` in one, in less time:
    from the same random state the same crop, and the same pixels but for rounding. The resize is
    torch's, which does in fixed point what Pillow before version 13 does. Later ones resize some
    crops vertically first, which in bicubic resizing changes pixels near black and white.

    Args:
        scale: The size of the result, in pixels: of its sides, or ``(height, width)``.
        interpolation: ``'bilinear'`` or ``'bicubic'``. Defaults to ``'bilinear'``.
        reducing_gap: Whether to decode a JPEG at 1/2, 1/4 or 1/8 of its size, and how much larger
            than the result the crop must still be then, as for Pillow's ``resize``: 1 is fastest,
            3 all but exact. The box of the crop is then rounded to the pixels that there are.
            Defaults to None: always decoded at full size.
        backend_args: What mmengine's file backend of the path takes. Defaults to None.
        **kwargs: ``crop_ratio_range``, ``aspect_ratio_range`` and ``max_attempts`` of
            :class:`mmpretrain.datasets.RandomResizedCrop`.

    Raises:
        WrnError: If ``interpolation`` or ``reducing_gap`` is another, or a picture cannot be read.
    """

    def __init__(
        self,
        scale: int | tuple[int, int],
        interpolation: str = 'bilinear',
        reducing_gap: float | None = None,
        backend_args: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if interpolation not in ('bilinear', 'bicubic'):
            raise WrnError(f"interpolation must be 'bilinear' or 'bicubic', not {interpolation!r}")
        if reducing_gap is not None and reducing_gap < 1:
            raise WrnError(f'reducing_gap must be at least 1, or None, not {reducing_gap!r}')
        super().__init__(scale, interpolation=interpolation, backend='pillow', **kwargs)
        self.reducing_gap = reducing_gap
        self.backend_args = backend_args

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Load the picture at ``img_path``.

        Args:
            results: What the data set says of the picture.

        Returns:
            The same with ``img`` ``(height, width, 3)``, blue, green, red, uint8, upright by the
            EXIF orientation, and with ``img_shape`` and ``ori_shape``.
        """
        path = results['img_path']
        content = fileio.get(path, backend_args=self.backend_args)
        if self.reducing_gap and (shape := _jpeg_shape(content)):
            top, left, height, width = self._draw(shape)
            image = _decode(content, path, self._reduction(height, width))
        else:
            image = _decode(content, path)
            shape = image.shape[:2]
            top, left, height, width = self._draw(shape)
        y, x = image.shape[0] / shape[0], image.shape[1] / shape[1]
        crop = image[
            round(top * y) : round((top + height) * y), round(left * x) : round((left + width) * x)
        ]
        image = _resize(crop, self.scale, self.interpolation)
        results.update(img=image, img_shape=image.shape, ori_shape=shape)
        return results

    def _draw(self, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        """Draw a crop: its top, left, height and width."""
        return self.rand_crop_params(np.empty((*shape, 0)))  # which reads the shape alone

    def _reduction(self, height: int, width: int) -> int:
        """Return the largest factor that leaves enough of a crop."""
        gap = min(height / self.scale[0], width / self.scale[1]) / self.reducing_gap
        return max(factor for factor in _REDUCED if factor <= max(gap, 1))


def _decode(content: bytes, path: str, reduction: int = 1) -> np.ndarray:
    """Decode an image; a JPEG at full size or reduced."""
    if reduction > 1:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), _REDUCED[reduction])
        if image is not None:
            return image
    try:
        return decode_image(content, path)
    except ImageReadError as error:
        raise WrnError(f'failed to load image: {path}') from error


def _jpeg_shape(content: bytes) -> tuple[int, int] | None:
    """Read the height and width of a JPEG, upright; None if it is none."""
    try:
        with Image.open(io.BytesIO(content), formats=['JPEG']) as picture:
            exif = Image.Exif()
            exif.load(picture.info.get('exif', b''))
            width, height = picture.size
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return None
    turned = exif.get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    return (width, height) if turned else (height, width)


def _resize(image: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    # In this layout torch has its fast code for uint8.
    pixels = torch.from_numpy(np.ascontiguousarray(image))[None].permute(0, 3, 1, 2)
    resized = functional.interpolate(pixels, size, mode=interpolation, antialias=True)
    return resized[0].permute(1, 2, 0).numpy()
