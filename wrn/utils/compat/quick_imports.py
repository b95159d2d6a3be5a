"""Import torchvision and mmpretrain without what nobody asked for.

Three defects, measured on torch 2.14, torchvision 0.29 and mmpretrain 1.2 by
``benchmarks/cold_start.py``; together a third of the time that the imports take:

1. ``torchvision.ops.roi_align`` imports ``torch._dynamo.utils``, and so the whole compiler, for
   one function that only ``roi_align`` calls, and mmpretrain imports torchvision for box metrics.
   The compiler's import is put off until that function is called. Can go when torchvision
   imports it where it is used.
2. The imports create half a million objects that all live on, and the garbage collector walks
   them again and again. It pauses until they are done. Can go when the benchmark is as fast
   without it.
3. ``mmcv`` warns at each import that mmcv-lite has no deformable attention, which no Wide-ResNet
   uses. That one warning is ignored. Can go when mmcv warns where it is used.
"""

import contextlib
import gc
import importlib
import sys
import warnings
from collections.abc import Iterator

from wrn.utils.compat.deferred import deferred

_COMPILER = 'torch._dynamo.utils'


def _is_compile_supported(device_type: str) -> bool:
    return importlib.import_module(_COMPILER).is_compile_supported(device_type)


def _import_torchvision() -> None:
    if not {'torchvision', 'torch._dynamo'} & sys.modules.keys():
        with deferred(_COMPILER, is_compile_supported=_is_compile_supported):
            importlib.import_module('torchvision')


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Make what the block imports of torch, torchvision and mmpretrain quick and quiet."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        _import_torchvision()
        warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeformableAttention``')
        yield
    finally:
        if not gc.get_freeze_count():
            # Straight to the oldest generation: enabling would else walk all of it at once.
            gc.freeze()
            gc.unfreeze()
        if collecting:
            gc.enable()
