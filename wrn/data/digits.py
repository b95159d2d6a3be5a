"""Handwritten digits that need no download."""

from collections import Counter
from typing import Any, ClassVar

import numpy as np
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS

from wrn_base.errors import WrnError

_HOLD_OUT_EVERY = 5


@DATASETS.register_module()
class Digits(BaseDataset):
    """The handwritten digits of scikit-learn: 1,797 images of 8x8 pixels in ten classes.

    These are the test set of the UCI "Optical Recognition of Handwritten Digits"
    (https://doi.org/10.24432/C50P49). Every fifth image of each class is held out for testing. The
    training split has 1,442 images, the test split 355.

    Args:
        split: ``'train'`` or ``'test'``. Defaults to ``'train'``.
        **kwargs: The other arguments of :class:`mmpretrain.datasets.BaseDataset`, such as
            ``pipeline``. Its first transform gets ``img``, ``(8, 8, 3)``, uint8, white on black.

    Raises:
        WrnError: If ``split`` is unknown, or scikit-learn is not installed.
    """

    METAINFO: ClassVar = {'classes': tuple('0123456789')}

    def __init__(self, split: str = 'train', **kwargs: Any) -> None:
        if split not in ('train', 'test'):
            raise WrnError(f"split must be 'train' or 'test', not {split!r}")
        self.split = split
        super().__init__(ann_file='', **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return the image ``img`` and the label ``gt_label`` of each sample of the split."""
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise WrnError(
                'Digits: the images come with scikit-learn, which is not installed; run `pip '
                'install scikit-learn`'
            ) from error
        images, labels = load_digits(return_X_y=True)
        images = (images.reshape(-1, 8, 8) * (255 / 16)).round().astype(np.uint8)
        seen = Counter[int]()  # by class
        samples = []
        for image, label in zip(images, labels.tolist(), strict=True):
            held_out = seen[label] % _HOLD_OUT_EVERY == _HOLD_OUT_EVERY - 1
            seen[label] += 1
            if held_out == (self.split == 'test'):
                samples.append(dict(img=np.repeat(image[..., None], 3, axis=2), gt_label=label))
        return samples
