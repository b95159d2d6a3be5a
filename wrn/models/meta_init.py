"""Build networks without allocating their weights."""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class MetaInit(TorchFunctionMode):
    """A context in which weights are created on the ``meta`` device, and not initialized.

    Modules allocate their weights with :func:`torch.empty`. All other tensors stay where they are:
    under ``torch.device('meta')`` mmpretrain's ResNet cannot be built, because it reads its
    drop-path rates back from a tensor.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.empty and kwargs.get('device') is None:
            kwargs = {**kwargs, 'device': 'meta'}
        return func(*args, **kwargs)
