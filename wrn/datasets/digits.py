"""Handwritten digits that need no download."""

from typing import Any, ClassVar

import numpy as np
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS

from wrn.errors import WrnError

_TEST_SHARE, _SEED = 0.2, 0


@DATASETS.register_module()
class Digits(BaseDataset):
    """The handwritten digits that scikit-learn ships: 1,797 pictures of 8x8 pixels, ten classes.

    They are the test set of the UCI "Optical Recognition of Handwritten Digits"
    (https://doi.org/10.24432/C50P49). The split into 1,437 pictures to train with and 360 held
    out is fixed and has the classes in equal shares.

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
            from sklearn.model_selection import train_test_split
        except ImportError as error:
            raise WrnError(
                'the digits come with scikit-learn, which is not installed; run `pip install '
                'scikit-learn`'
            ) from error
        digits = load_digits()
        samples = train_test_split(
            np.arange(len(digits.target)),
            test_size=_TEST_SHARE,
            stratify=digits.target,
            random_state=_SEED,
        )[self.split == 'test']
        return [
            dict(
                img=np.repeat(
                    (digits.images[i] * (255 / 16)).round().astype(np.uint8)[..., None], 3, -1
                ),
                gt_label=int(digits.target[i]),
            )
            for i in samples
        ]
