"""The files of mmpretrain's CIFAR data sets, whose own download starts anew when it breaks."""

from pathlib import Path
from typing import Any

from mmengine.config import ConfigDict
from mmpretrain.datasets import CIFAR10
from mmpretrain.datasets.utils import check_integrity
from mmpretrain.registry import DATASETS

from wrn.download.archives import fetch_archive


def fetch_cifar(dataset: ConfigDict) -> None:
    """Download the archive of a CIFAR data set, if mmpretrain would.

    mmpretrain then finds the archive, verified, and unpacks it.

    Args:
        dataset: The config of a data set, which may be wrapped in others. Of other types than
            ``CIFAR10`` and ``CIFAR100`` nothing is done, nor if it says ``download=False`` or is
            not on the local disk.

    Raises:
        WrnError: If the archive is another file, or cannot be had.
    """
    for inner in dataset.get('datasets') or ([dataset.dataset] if 'dataset' in dataset else []):
        fetch_cifar(inner)
    kind: Any = DATASETS.get(dataset.type) if isinstance(dataset.type, str) else dataset.type
    folders = [str(dataset.get(key) or '') for key in ('data_root', 'data_prefix')]
    is_cifar = isinstance(kind, type) and issubclass(kind, CIFAR10)
    if not is_cifar or '://' in ''.join(folders):
        return
    folder = Path(*folders)
    files = [*kind.train_list, *kind.test_list]
    unpacked = all(check_integrity(folder / kind.base_folder / name, md5) for name, md5 in files)
    if dataset.get('download', True) and not unpacked:
        fetch_archive(kind.url, folder / kind.filename, kind.tgz_md5)
