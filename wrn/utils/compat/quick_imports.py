"""Import torchvision and mmpretrain without the parts that this package does not use.

Three defects, measured with torch 2.14, torchvision 0.29 and mmpretrain 1.2 by
``benchmarks/cold_start.py``. Together they cost a third of the import time.

1. mmpretrain imports torchvision for box metrics. ``torchvision.ops.roi_align`` then imports
   ``torch._dynamo.utils``, and with it the whole compiler, for one function that only ``roi_align``
   calls. We import the compiler when that function is called. Can go when torchvision imports it
   where it is used.
2. The imports create half a million objects that stay alive, and the garbage collector scans them
   again and again. We disable it during the imports. Can go when the benchmark is as fast without
   this.
3. Every import of ``mmcv`` warns that mmcv-lite has no deformable attention, which no Wide-ResNet
   uses. We ignore that one warning. Can go when mmcv warns where it is used.
"""

import contextlib
import gc
import importlib
import sys
import warnings
from collections.abc import Iterator

from wrn.utils.compat.lazy_import import lazy_import

_COMPILER = 'torch._dynamo.utils'


def _is_compile_supported(device_type: str) -> bool:
    return importlib.import_module(_COMPILER).is_compile_supported(device_type)


def _import_torchvision() -> None:
    if not {'torchvision', 'torch._dynamo'} & sys.modules.keys():
        with lazy_import(_COMPILER, is_compile_supported=_is_compile_supported):
            importlib.import_module('torchvision')


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Speed up the imports of torchvision and mmpretrain inside a block."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        _import_torchvision()
        warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeformableAttention``')
        yield
    finally:
        if not gc.get_freeze_count():
            # Move all objects to the oldest generation, or enabling would scan them at once.
            gc.freeze()
            gc.unfreeze()
        if collecting:
            gc.enable()
