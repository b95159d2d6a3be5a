"""Data sets that mmpretrain lacks."""

from wrn.datasets.digits import Digits

__all__ = ['Digits']
