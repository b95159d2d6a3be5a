"""Build networks without memory for their weights."""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class MetaInit(TorchFunctionMode):
    """Allocate no memory for weights, and so spend no time on initialising them.

    Modules make their weights with :func:`torch.empty` and then initialise them. Everything else
    that a constructor computes stays where it is; under ``torch.device('meta')`` mmpretrain's
    ResNet cannot be built, as it reads its drop-path rates back from a tensor.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.empty and kwargs.get('device') is None:
            kwargs = {**kwargs, 'device': 'meta'}
        return func(*args, **kwargs)
