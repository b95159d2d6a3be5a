"""Datasets and transforms that mmpretrain does not have, and the files behind datasets.

In come folders, archives and configs of datasets; out go lists of images with labels (open
``listing`` first; ``class_folders`` walks, ``splitting`` makes train, val and test), reports of
problems (``check_folder``, ``damage``), and datasets and transforms for mmpretrain
(``image_folder``, ``digits``, ``svhn``, ``checked_reading``, ``random_resized_crop``). ``cifar``
and ``imagenet`` get mmpretrain's own datasets their files. ``images`` reads and preprocesses.
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
