"""Shift the hue of images down, with numpy 2.

mmcv's ``adjust_hue`` gives the product of the factor and 255 to ``np.uint8``, which is negative in
about half of the calls of ``ColorJitter(hue=...)``. numpy 1 wrapped such a number around, as the
function expects. numpy 2 raises :class:`OverflowError`. We pass a factor whose product is wrapped
around already.

Can go when mmcv's function takes negative factors with numpy 2.
"""

import functools
from typing import Any

import mmcv
import numpy as np


class _Factor(float):
    """A factor whose product with a number is an integer from 0 to 255."""

    def __mul__(self, other: float) -> int:
        return int(float(self) * other) % 256


def take_negative_hue() -> None:
    """Let ``mmcv.adjust_hue`` take negative factors."""
    adjust_hue = mmcv.adjust_hue

    @functools.wraps(adjust_hue)
    def _adjust_hue(img: np.ndarray, hue_factor: float, *args: Any, **options: Any) -> np.ndarray:
        return adjust_hue(img, _Factor(hue_factor), *args, **options)

    mmcv.adjust_hue = mmcv.image.adjust_hue = _adjust_hue
