"""Street View House Numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS
from torchvision.datasets import SVHN as TORCHVISION_SVHN

from wrn.download.dataset_archive import fetch_archive
from wrn.utils.packages import missing_packages
from wrn_base.errors import WrnError


@DATASETS.register_module()
class SVHN(BaseDataset):
    """Street View House Numbers, cropped to 32x32 pixels (http://ufldl.stanford.edu/housenumbers).

    The splits have 73,257 (``'train'``), 26,032 (``'test'``) and 531,131 images (``'extra'``).
    Those of ``'extra'`` are easier training images. Missing files are downloaded. Each file is
    verified by its MD5.

    Args:
        data_root: The folder of ``train_32x32.mat``, ``test_32x32.mat`` and ``extra_32x32.mat``.
        split: ``'train'``, ``'test'`` or ``'extra'``, or several of them. Defaults to ``'train'``.
        **kwargs: The other arguments of :class:`mmpretrain.datasets.BaseDataset`, such as
            ``pipeline``. Its first transform gets ``img``, ``(32, 32, 3)``, uint8, RGB.

    Raises:
        WrnError: If ``split`` is unknown, if a file has another hash or is unavailable, or if scipy
            is not installed.
    """

    METAINFO: ClassVar = {'classes': tuple('0123456789')}

    def __init__(self, data_root: str, split: str | Sequence[str] = 'train', **kwargs: Any) -> None:
        self.splits = [split] if isinstance(split, str) else list(split)
        known = TORCHVISION_SVHN.split_list
        if not self.splits or not set(self.splits) <= known.keys():
            raise WrnError(f'split must be one or more of {", ".join(known)}, not {split!r}')
        super().__init__(ann_file='', data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return the image ``img`` and the label ``gt_label`` of each sample of the splits."""
        if missing := missing_packages('scipy'):
            raise WrnError(f"SVHN's .mat files: {missing}")
        from scipy.io import loadmat

        samples = []
        for split in self.splits:
            url, name, md5 = TORCHVISION_SVHN.split_list[split]
            path = Path(self.data_root).expanduser() / name
            fetch_archive(url, path, md5)
            content = loadmat(path)
            images = content['X'].transpose(3, 0, 1, 2)
            labels = content['y'].flatten() % 10  # the digit 0 has the label 10
            samples += [
                dict(img=image, gt_label=label)
                for image, label in zip(images, labels.tolist(), strict=True)
            ]
        return samples
