"""Download CIFAR for mmpretrain. Unlike mmpretrain's own download, this one can be resumed."""

from pathlib import Path

from mmengine.config import ConfigDict
from mmpretrain.datasets import CIFAR10
from mmpretrain.datasets.utils import check_integrity
from mmpretrain.registry import DATASETS

from wrn.config.config_parts import find_class, unwrap_datasets
from wrn.download.dataset_archive import fetch_archive


def fetch_cifar(dataset: ConfigDict) -> None:
    """Download and verify the archive of a CIFAR dataset, if mmpretrain would download it.

    mmpretrain unpacks the archive. Nothing is done if the dataset is neither ``CIFAR10`` nor
    ``CIFAR100``, has ``download=False``, or is not on the local disk.

    Args:
        dataset: The config of the dataset, which may be wrapped in others.

    Raises:
        WrnError: If the archive has another hash or is unavailable.
    """
    for _, inner in unwrap_datasets(dataset):
        kind = find_class(DATASETS, inner.get('type'))
        folders = [str(inner.get(key) or '') for key in ('data_root', 'data_prefix')]
        is_cifar = isinstance(kind, type) and issubclass(kind, CIFAR10)
        if not is_cifar or '://' in ''.join(folders) or not inner.get('download', True):
            continue
        folder = Path(*folders)
        files = [*kind.train_list, *kind.test_list]
        if not all(check_integrity(folder / kind.base_folder / name, md5) for name, md5 in files):
            fetch_archive(kind.url, folder / kind.filename, kind.tgz_md5)
