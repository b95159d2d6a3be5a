"""Draw a map of a network over the image that it belongs to."""

import cv2
import numpy as np

from wrn_base.errors import WrnError


def overlay(pixels: np.ndarray, raw_map: np.ndarray, strength: float = 0.5) -> np.ndarray:
    """Draw the positive part of a map over an image.

    The map is scaled by its maximum and resized bilinearly. Its colors are matplotlib's inferno,
    which is as readable for the color-blind and in gray: the larger a value, the brighter its
    color, and the more opaque. Values of zero and less leave the image as it is.

    Args:
        pixels: An RGB image, ``(H, W, 3)``, uint8.
        raw_map: A map of any size, ``(h, w)``, such as one of
            :class:`wrn.inference.explanations.Explainer`.
        strength: The opacity of the largest value, from 0 to 1. Defaults to 0.5.

    Returns:
        The drawing, RGB, ``(H, W, 3)``, uint8. It equals the image if the map has no positive
        value.

    Raises:
        WrnError: If an argument has a wrong shape or type, the map has a value that is not finite,
            or the strength is out of range.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise WrnError(f'pixels: are {pixels.shape}, {pixels.dtype}; give (H, W, 3), uint8')
    if raw_map.ndim != 2 or not np.isfinite(raw_map).all():
        raise WrnError(f'raw_map: is {raw_map.shape}; give finite values, (h, w)')
    if not 0 <= strength <= 1:
        raise WrnError(f'strength {strength}: must be from 0 to 1')
    heat = np.maximum(raw_map, 0).astype(np.float64)
    if not heat.any():
        return pixels.copy()
    height, width = pixels.shape[:2]
    scaled = (heat / heat.max()).astype(np.float32)
    heat = cv2.resize(scaled, (width, height), interpolation=cv2.INTER_LINEAR)
    levels = np.rint(255 * heat).astype(np.uint8)
    colors = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    opacity = strength * heat[..., None]
    return np.rint(pixels * (1 - opacity) + colors * opacity).astype(np.uint8)
