"""Small images of what a network sees."""

import cv2
import numpy as np
import torch
from torch import Tensor

_QUALITY = 75


def to_rgb(inputs: Tensor, red_first: bool) -> np.ndarray:
    """Return the pixels of a preprocessed image.

    Args:
        inputs: The image before its normalization, ``(C, H, W)``. Values other than uint8 are
            scaled to their range, unless they are from 0 to 255 as in an image.
        red_first: Whether three channels are RGB, not BGR.

    Returns:
        The pixels, ``(H, W, 3)``, RGB, uint8. Without three channels, they are the mean of all.
    """
    if inputs.dtype != torch.uint8:
        inputs = inputs.float().nan_to_num()
        low, high = float(inputs.min()), float(inputs.max())
        if low < 0 or high <= 1 or high > 255:
            inputs = (inputs - low) * (255 / max(high - low, 1e-6))
    pixels = inputs.float().permute(1, 2, 0).numpy()
    if pixels.shape[2] != 3:
        pixels = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2)
    elif not red_first:
        pixels = pixels[..., ::-1]
    return np.ascontiguousarray(pixels.round().clip(0, 255).astype(np.uint8))


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
