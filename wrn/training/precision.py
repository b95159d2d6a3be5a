"""Training in mixed precision."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmpretrain.registry import OPTIM_WRAPPERS
from torch import nn

from wrn.training.run_device import get_run_device


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Run the network in bfloat16 under torch's autocast.

    Unlike mmengine's ``AmpOptimWrapper``, this works on the CPU too. bfloat16 has the range of
    float32, so the loss needs no scaling.

    Args:
        optimizer: The optimizer. Weights and optimizer state stay in float32.
        **kwargs: The other arguments of :class:`mmengine.optim.OptimWrapper`.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run a forward pass in bfloat16.

        Args:
            model: The network.
        """
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield


def use_mixed_precision(cfg: Config) -> None:
    """Train in bfloat16 on the CPU and on devices that support it, else in float16.

    Args:
        cfg: The config. Its ``optim_wrapper`` is changed. With float16 the loss is scaled,
            dynamically unless the config has a ``loss_scale``.
    """
    if get_run_device(cfg) == 'cpu' or (
        torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        cfg.optim_wrapper.type = 'BFloat16OptimWrapper'
        for key in ('loss_scale', 'dtype', 'use_fp16'):
            cfg.optim_wrapper.pop(key, None)
    else:
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
