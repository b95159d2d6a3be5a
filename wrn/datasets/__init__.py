"""Data sets that mmpretrain lacks, and the files of those that it has."""

from wrn.datasets.cifar import fetch_cifar
from wrn.datasets.digits import Digits
from wrn.datasets.svhn import SVHN

__all__ = ['SVHN', 'Digits', 'fetch_cifar']
