"""Handwritten digits that need no download."""

from collections import Counter
from typing import Any, ClassVar

import numpy as np
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS

from wrn.utils.errors import WrnError

_HOLD_OUT_EVERY = 5


@DATASETS.register_module()
class Digits(BaseDataset):
    """The handwritten digits that scikit-learn ships: 1,797 pictures of 8x8 pixels, ten classes.

    They are the test set of the UCI "Optical Recognition of Handwritten Digits"
    (https://doi.org/10.24432/C50P49). Every fifth picture of each class is held out for testing:
    1,442 are left to train with, 355 to test with.

    Args:
        split: ``'train'`` or ``'test'``. Defaults to ``'train'``.
        **kwargs: The other arguments of :class:`mmpretrain.datasets.BaseDataset`, such as
            ``pipeline``, whose first transform gets ``img`` of shape ``(8, 8, 3)``, uint8, white
            on black.

    Raises:
        WrnError: If ``split`` is another, or scikit-learn is not installed.
    """

    METAINFO: ClassVar = {'classes': tuple('0123456789')}

    def __init__(self, split: str = 'train', **kwargs: Any) -> None:
        if split not in ('train', 'test'):
            raise WrnError(f"split must be 'train' or 'test', not {split!r}")
        self.split = split
        super().__init__(ann_file='', **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return the picture ``img`` and its class ``gt_label`` of each sample of the split."""
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise WrnError(
                'the digits come with scikit-learn, which is not installed; run `pip install '
                'scikit-learn`'
            ) from error
        images, labels = load_digits(return_X_y=True)
        images = (images.reshape(-1, 8, 8) * (255 / 16)).round().astype(np.uint8)
        earlier = Counter[int]()  # how many of each class have come before
        samples = []
        for image, label in zip(images, labels.tolist(), strict=True):
            held_out = earlier[label] % _HOLD_OUT_EVERY == _HOLD_OUT_EVERY - 1
            earlier[label] += 1
            if held_out == (self.split == 'test'):
                samples.append(dict(img=np.repeat(image[..., None], 3, axis=2), gt_label=label))
        return samples
