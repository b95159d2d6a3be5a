"""Small images of what a network sees."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from wrn.inference.seen_pixels import to_rgb

_QUALITY = 75
_WHITE = 255


def choose_view(sample: Mapping[str, Any]) -> Tensor:
    """Return the image of a sample of a dataset.

    Args:
        sample: The sample. Test-time augmentation gives it a list of views.

    Returns:
        The image as the pipeline gives it, ``(C, H, W)``: of several views, the first one that is
        not mirrored, or else the first one.
    """
    inputs = sample['inputs']
    if not isinstance(inputs, list | tuple):
        return inputs
    flips = [getattr(view, 'flip', False) for view in sample['data_samples']]
    return next((view for view, flip in zip(inputs, flips, strict=True) if not flip), inputs[0])


def draw_sample(inputs: Tensor, red_first: bool) -> np.ndarray:
    """Return the pixels of a sample of a dataset.

    Args:
        inputs: The image as the pipeline gives it, ``(C, H, W)``: from 0 to 255, or normalized.
        red_first: Whether three channels are RGB, not BGR.

    Returns:
        The pixels, ``(H, W, 3)``, RGB, uint8. A normalized image is stretched to its range.

    Raises:
        ValueError: If it is not an image.
    """
    if not isinstance(inputs, Tensor) or inputs.ndim != 3 or not inputs.numel():
        raise ValueError('not an image (C, H, W)')
    if inputs.is_floating_point():
        inputs = inputs.float().nan_to_num()
        low, high = inputs.aminmax()
        if low < 0 or high <= 1:
            inputs = (inputs - low) * (_WHITE / (high - low).clamp(min=1e-6))
    return to_rgb(inputs[None], red_first)[0]


def resize(pixels: np.ndarray, side: int) -> np.ndarray:
    """Resize an image so that its longer side has a number of pixels.

    Args:
        pixels: ``(H, W, 3)``, uint8.
        side: The length of the longer side. The pixels of a smaller image become squares.
    """
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return cv2.resize(pixels, size, interpolation=how)


def encode(pixels: np.ndarray) -> bytes:
    """Encode an image as JPEG.

    Args:
        pixels: ``(H, W, 3)``, RGB, uint8.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    return cv2.imencode('.jpg', pixels[..., ::-1], options)[1].tobytes()
