"""Training in bfloat16."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from mmpretrain.registry import OPTIM_WRAPPERS
from torch import nn


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Run the network in bfloat16 where that is safe, as torch's autocast judges.

    Unlike mmengine's ``AmpOptimWrapper`` it works on the CPU too. bfloat16 has the range of
    float32, so the loss needs no scaling.

    Args:
        optimizer: The optimizer, which stays in float32.
        **kwargs: The other arguments of :class:`mmengine.optim.OptimWrapper`.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run a forward pass in bfloat16.

        Args:
            model: The network.
        """
        device = torch.device(get_device()).type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield
