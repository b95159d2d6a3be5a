"""Optimizers that do not import torch's compiler.

torch's ``Optimizer`` imports the whole compiler when it is built, 0.7 s on torch 2.14, whether
anything is compiled or not: to say that four of its methods are not to be compiled, and that what
is compiled ends before each step. Here the methods are marked as what their callers would make of
them, themselves, and the compiler is put off. Can go when torch asks first whether it compiles.
"""

import contextlib
from collections.abc import Iterator

from torch.optim import Optimizer

from wrn.utils.compat.deferred import deferred

_METHODS = ('add_param_group', 'load_state_dict', 'state_dict', 'zero_grad')
_MARK = '__dynamo_disable'


@contextlib.contextmanager
def quick_optimizers() -> Iterator[None]:
    """Use optimizers without the compiler, in a block in which nothing is compiled."""
    functions = [getattr(getattr(Optimizer, name), '__wrapped__', None) for name in _METHODS]
    marked = [f for f in functions if f is not None and not hasattr(f, _MARK)]
    for function in marked:
        setattr(function, _MARK, function)
    try:
        with deferred('torch._dynamo', package=True, graph_break=lambda: None):
            yield
    finally:
        for function in marked:
            delattr(function, _MARK)
