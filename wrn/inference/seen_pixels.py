"""Show an image as a network sees it."""

from typing import Any

import cv2
import numpy as np
from mmengine.model import BaseModel
from torch import Tensor

from wrn.config.config_parts import get_test_dataset
from wrn.data.images.preprocessing import is_red_first
from wrn.deploy.classifier import get_own_config

_WHITE = 255
_SIDE = 224  # pixels: on a smaller drawing neither a map nor its name can be seen


def takes_bgr(model: BaseModel) -> bool:
    """Return whether the normalized images of a network are BGR, not RGB.

    Args:
        model: The model, with its config.

    Raises:
        WrnError: If it has no config.
    """
    red_first = is_red_first(get_test_dataset(get_own_config(model)).pipeline)
    preprocessor: Any = model.data_preprocessor
    return red_first == preprocessor.to_rgb


def to_pixels(inputs: Tensor, model: BaseModel) -> np.ndarray:
    """Undo the normalization of images, to show what the test pipeline of a config left of them.

    Args:
        inputs: Normalized images, ``(N, C, H, W)``.
        model: The model that takes them, with its config.

    Returns:
        RGB images, ``(N, H, W, 3)``, uint8. Images of any number of channels but three are shown as
        the gray mean of the channels. Values above 255, as of 16-bit images, are scaled so that the
        largest becomes 255.

    Raises:
        WrnError: If the model has no config.
    """
    images = inputs.float().cpu()
    preprocessor: Any = model.data_preprocessor
    if preprocessor._enable_normalize:
        images = images * preprocessor.std.cpu() + preprocessor.mean.cpu()
    return to_rgb(images, red_first=not takes_bgr(model))


def to_rgb(images: Tensor, red_first: bool) -> np.ndarray:
    """Return the pixels of images that are not normalized.

    Args:
        images: Images from 0 to 255, ``(N, C, H, W)``.
        red_first: Whether three channels are RGB, not BGR.

    Returns:
        RGB images, ``(N, H, W, 3)``, uint8, as :func:`to_pixels` returns them.
    """
    images = images.float()
    if images.shape[1] != 3:
        images = images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    elif not red_first:
        images = images.flip(1)
    largest = images.amax((1, 2, 3), keepdim=True).round()
    images = images * (_WHITE / largest.clamp(min=_WHITE))
    return images.round().clamp(0, _WHITE).byte().permute(0, 2, 3, 1).contiguous().numpy()


def enlarge(pixels: np.ndarray, side: int = _SIDE) -> np.ndarray:
    """Repeat the pixels of a small image until its longer side is large enough.

    Args:
        pixels: The image, ``(H, W, 3)``.
        side: The least length of the longer side, in pixels. Defaults to 224.

    Returns:
        The image; one that is large enough is not changed.
    """
    height, width = pixels.shape[:2]
    times = -(-side // max(height, width))
    if times == 1:
        return pixels
    size = (times * width, times * height)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_NEAREST)
