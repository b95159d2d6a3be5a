"""What a checkpoint may contain beside tensors and plain Python values.

mmengine keeps the log history of a training run in its checkpoints, as ``HistoryBuffer`` objects
that hold numpy arrays. This is all that ``torch.load(weights_only=True)`` needs to be told to
read them. Nothing here can run code of a file's choosing.
"""

from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer

_STATISTICS = ('min', 'max', 'current', 'mean')


def _getattr(obj: Any, name: str) -> Any:
    """Stand in for ``getattr``, which pickled ``HistoryBuffer`` objects call for their methods.

    The real ``getattr`` would hand a crafted file any attribute of any object, and with it
    ``builtins``.
    """
    if obj is HistoryBuffer and name in _STATISTICS:
        return getattr(obj, name)
    owner = getattr(obj, '__qualname__', type(obj).__qualname__)
    raise UnpicklingError(f'GLOBAL builtins.getattr for {owner}.{name} is not allowed')


def _numpy_globals() -> list[tuple[Callable[..., Any], str]]:
    """List numpy's array constructors under the names that numpy 1 and numpy 2 give them."""
    reconstruct: Any = np.empty(0).__reduce__()[0]
    scalar: Any = np.float64(0).__reduce__()[0]
    return [
        (function, f'numpy.{core}.multiarray.{name}')
        for core in ('core', '_core')
        for function, name in ((reconstruct, '_reconstruct'), (scalar, 'scalar'))
    ]


SAFE_GLOBALS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    HistoryBuffer,
    (_getattr, 'builtins.getattr'),
    np.ndarray,
    np.dtype,
    *(type(np.dtype(code)) for code in '?' + np.typecodes['AllInteger'] + np.typecodes['Float']),
    *_numpy_globals(),
]
