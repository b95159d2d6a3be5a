"""Datasets and transforms that mmpretrain does not have, and the files behind datasets.

In: folders, archives and configs of datasets. Out: lists of images with labels, reports of
problems, and datasets and transforms for mmpretrain. Open ``listing`` first. ``class_folders``
walks folders, ``splitting`` makes train, val and test, by whole groups with ``image_groups`` and
``group_split``. ``check_folder``, ``early_check`` and ``damage`` find problems; ``duplicates``,
``near_duplicates``, ``perceptual_hash`` and ``similar_hashes`` find images that are there twice.
``image_folder``, ``digits`` and ``svhn`` are datasets, ``checked_reading`` and
``random_resized_crop`` are transforms. ``cifar`` and ``imagenet`` prepare the files of
mmpretrain's own datasets. ``images`` reads and preprocesses.
"""

from wrn.data.checked_reading import CheckedReading, skip_unreadable
from wrn.data.cifar import fetch_cifar
from wrn.data.digits import Digits
from wrn.data.random_resized_crop import LoadRandomResizedCrop
from wrn.data.svhn import SVHN

__all__ = [
    'SVHN',
    'CheckedReading',
    'Digits',
    'LoadRandomResizedCrop',
    'fetch_cifar',
    'skip_unreadable',
]
