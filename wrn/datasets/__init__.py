"""Data sets and transforms that mmpretrain lacks, and the files of data sets that it has."""

from wrn.datasets.cifar import fetch_cifar
from wrn.datasets.digits import Digits
from wrn.datasets.loading import LoadRandomResizedCrop
from wrn.datasets.reading import CheckedReading, skip_unreadable
from wrn.datasets.svhn import SVHN

__all__ = [
    'SVHN',
    'CheckedReading',
    'Digits',
    'LoadRandomResizedCrop',
    'fetch_cifar',
    'skip_unreadable',
]
