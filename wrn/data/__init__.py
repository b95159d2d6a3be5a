"""Data sets and transforms that mmpretrain lacks, and the files of data sets that it has."""

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
