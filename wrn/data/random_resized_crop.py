"""Load random crops of images for training."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmpretrain.datasets import RandomResizedCrop
from mmpretrain.registry import TRANSFORMS
from PIL import ExifTags, Image
from torch.nn import functional

from wrn.data.images import LoadImage, decode_image, get_content
from wrn.data.images.bounds import MAX_PIXELS
from wrn.data.images.header import read_header
from wrn.utils.compat.pillow_bound import bound_pixels
from wrn_base.errors import WrnError

_REDUCTIONS = (1, 2, 4, 8)


@TRANSFORMS.register_module()
class LoadRandomResizedCrop(RandomResizedCrop):
    """Load an image and resize a random crop of it, with antialiasing.

    Replaces ``LoadImageFromFile`` followed by ``RandomResizedCrop`` with ``backend='pillow'``, and
    is faster. The same random state gives the same crop, and the same pixels except for rounding.
    torch resizes the crop, in fixed point like Pillow before version 13. Later versions of Pillow
    resize some crops vertically first, which changes pixels near black and white in bicubic
    resizing.

    Args:
        scale: The size of the result in pixels: the length of both sides, or ``(height, width)``.
        interpolation: ``'bilinear'`` or ``'bicubic'``. Defaults to ``'bilinear'``.
        reducing_gap: A JPEG is decoded at 1/2, 1/4 or 1/8 of its size if the crop is then still
            this many times as large as the result, as in Pillow's ``resize``. 1 is fastest, 3 is
            almost exact. The box of the crop is rounded to the pixels of the smaller image.
            Defaults to None: always decode at full size.
        backend_args: The arguments of mmengine's file backend for the path. Defaults to None.
        value_range: As for :class:`wrn.data.images.LoadImage`. Defaults to None.
        **kwargs: ``crop_ratio_range``, ``aspect_ratio_range`` and ``max_attempts`` of
            :class:`mmpretrain.datasets.RandomResizedCrop`.

    Raises:
        WrnError: If ``interpolation`` or ``reducing_gap`` is invalid.
        ImageReadError: If an image cannot be read.
    """

    def __init__(
        self,
        scale: int | tuple[int, int],
        interpolation: str = 'bilinear',
        reducing_gap: float | None = None,
        backend_args: dict[str, Any] | None = None,
        value_range: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        if interpolation not in ('bilinear', 'bicubic'):
            raise WrnError(f"interpolation must be 'bilinear' or 'bicubic', not {interpolation!r}")
        if reducing_gap is not None and reducing_gap < 1:
            raise WrnError(f'reducing_gap must be at least 1, or None, not {reducing_gap!r}')
        super().__init__(scale, interpolation=interpolation, backend='pillow', **kwargs)
        self.reducing_gap = reducing_gap
        self.backend_args = backend_args
        self.reading = LoadImage(value_range).reading

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Load the image at ``img_path``.

        Args:
            results: The sample of the dataset.

        Returns:
            The sample with ``img`` ``(height, width, 3)``, BGR, uint8, rotated by the EXIF
            orientation, and with ``img_shape`` and ``ori_shape``.
        """
        path = results['img_path']
        content = get_content(path, self.backend_args)
        if self.reducing_gap and (shape := _jpeg_shape(content)):
            top, left, height, width = self._draw(shape)
            gap = min(height / self.scale[0], width / self.scale[1]) / self.reducing_gap
            reduction = max(factor for factor in _REDUCTIONS if factor <= max(gap, 1))
            image = decode_image(content, path, self.reading, reduction)
        else:
            image = decode_image(content, path, self.reading)
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
        """Draw the top, left, height and width of a crop."""
        return self.rand_crop_params(np.empty((*shape, 0)))  # it reads only the shape


def _jpeg_shape(content: bytes) -> tuple[int, int] | None:
    """Return the height and width of a JPEG after rotation. None for another file."""
    try:
        header = read_header(content)  # before Pillow looks at each of its markers
        if header is None or header.format != 'JPEG':
            return None
        with (
            bound_pixels(MAX_PIXELS),
            Image.open(io.BytesIO(content), formats=['JPEG']) as image,
        ):
            exif = Image.Exif()
            exif.load(image.info.get('exif', b''))
            width, height = image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    transposed = exif.get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    return (width, height) if transposed else (height, width)


def _resize(image: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    # torch's fast code for uint8 needs the channels-last memory format.
    pixels = torch.from_numpy(np.ascontiguousarray(image))[None].permute(0, 3, 1, 2)
    resized = functional.interpolate(pixels, size, mode=interpolation, antialias=True)
    return resized[0].permute(1, 2, 0).numpy()
