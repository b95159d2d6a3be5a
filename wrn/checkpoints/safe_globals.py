"""The allow-list for unpickling checkpoints: what they may contain besides tensors.

mmengine's checkpoints hold the log history of the run, as ``HistoryBuffer`` objects with numpy
arrays and methods in them, and the state of the schedulers. The numpy constructors and ``getattr``
that such a file calls are not safe to offer: they accept any data type, including pointers, and any
attribute. Here their names map to replacements that accept only what mmengine writes, arrays and
scalars of numbers or text.
"""

import re
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

_STATISTICS = ('min', 'max', 'current', 'mean')
_ANNEALINGS = ('_annealing_cos', '_annealing_linear')
_DTYPE_CODE = re.compile(r'[biufcSU]\d+')
_BYTE_ORDERS = ('<', '>', '|', '=')


def _refuse(name: str, detail: object) -> UnpicklingError:
    return UnpicklingError(f'GLOBAL {name} with {detail!r} is not allowed')


class _OneCycle:
    """Replaces mmengine's scheduler. The state of a scheduler refers to one of its functions."""


def _getattr(owner: Any, name: str) -> Callable[..., Any]:
    """Replace ``getattr``: log histories and a scheduler refer to their functions through it."""
    if owner is HistoryBuffer and name in _STATISTICS:
        return getattr(HistoryBuffer, name)
    if owner is _OneCycle and name in _ANNEALINGS:
        return getattr(OneCycleParamScheduler, name)
    raise _refuse('builtins.getattr', name)


def _empty_bytes() -> bytes:
    """Replace ``bytes``, which pickle calls for the content of an empty array."""
    return b''


class _Namespace(dict[str, Any]):
    """Replaces ``argparse.Namespace``: the options that timm's and torchvision's scripts save."""

    def __setstate__(self, state: Any) -> None:
        self.update(state)


class _DataType:
    """Replaces ``numpy.dtype``."""

    def __init__(self, code: str, align: bool = False, copy: bool = True) -> None:
        if not isinstance(code, str) or not _DTYPE_CODE.fullmatch(code):
            raise _refuse('numpy.dtype', code)
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        _version, order, *structure = state
        if order not in _BYTE_ORDERS or any(part is not None for part in structure[:3]):
            raise _refuse('numpy.dtype', state)
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Replaces ``numpy.ndarray`` until :func:`unbox` restores the array."""

    array: np.ndarray

    def __setstate__(self, state: Any) -> None:
        _version, shape, kind, fortran, content = state
        if not isinstance(kind, _DataType) or not isinstance(content, bytes):
            raise _refuse('numpy.ndarray', type(content).__name__)
        flat = np.frombuffer(content, kind.dtype)
        self.array = flat.reshape(shape, order='F' if fortran else 'C').copy()


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if kind is not _Array:
        raise _refuse('numpy._core.multiarray._reconstruct', kind)
    return _Array()


def _scalar(kind: Any, content: Any) -> np.generic:
    if not isinstance(kind, _DataType) or not isinstance(content, bytes):
        raise _refuse('numpy._core.multiarray.scalar', type(content).__name__)
    (value,) = np.frombuffer(content, kind.dtype)
    return value


# numpy 2 renamed numpy.core to numpy._core. Checkpoints have the name of the version that wrote
# them.
SAFE_GLOBALS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    HistoryBuffer,
    (_getattr, 'builtins.getattr'),
    (_empty_bytes, 'builtins.bytes'),
    (_Namespace, 'argparse.Namespace'),
    (_OneCycle, 'mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler'),
    (_Array, 'numpy.ndarray'),
    (_DataType, 'numpy.dtype'),
    *((_reconstruct, f'numpy.{core}.multiarray._reconstruct') for core in ('core', '_core')),
    *((_scalar, f'numpy.{core}.multiarray.scalar') for core in ('core', '_core')),
]


def unbox(value: Any, seen: dict[int, Any] | None = None) -> Any:
    """Restore the numpy arrays and types of a checkpoint from their replacements.

    Args:
        value: The checkpoint or a part of it. Dicts and lists are changed in place.
        seen: The objects that have been restored already, by their id. Defaults to None.

    Returns:
        The value with everything restored.
    """
    seen = {} if seen is None else seen
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, _DataType):
        return value.dtype
    if id(value) in seen:
        return seen[id(value)]
    seen[id(value)] = value
    if isinstance(value, HistoryBuffer):
        unbox(vars(value), seen)
    elif isinstance(value, dict):
        for key, item in value.items():
            value[key] = unbox(item, seen)
    elif isinstance(value, list):
        value[:] = [unbox(item, seen) for item in value]
    elif type(value) is tuple:
        seen[id(value)] = tuple(unbox(item, seen) for item in value)
    return seen[id(value)]
