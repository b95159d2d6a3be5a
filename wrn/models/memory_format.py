"""The memory format of a network's weights and features."""

import torch
from mmengine.model import BaseModule
from torch import Tensor


class ChannelsLastMixin(BaseModule):
    """A network that can keep its weights and features in the channels-last memory format.

    Attributes:
        channels_last: Whether the network keeps them in this format.
        fast_inference: Whether it keeps features in this format without gradients on a CPU.
    """

    channels_last = False
    fast_inference = False

    def use_channels_last(self, channels_last: bool) -> None:
        """Set the memory format. Call this before an optimizer or DDP is built.

        Args:
            channels_last: Whether to use channels-last.
        """
        self.channels_last = channels_last
        self.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)

    def init_weights(self) -> None:
        """Initialize the weights. A seed gives the same values in either memory format."""
        # Random numbers are drawn in the order of memory.
        self.to(memory_format=torch.contiguous_format)
        super().init_weights()
        self.use_channels_last(self.channels_last)

    def _arrange(self, x: Tensor) -> Tensor:
        """Return images in the memory format in which the network is fastest."""
        return _arrange(x, self.channels_last, self.fast_inference)


# A graph of torch.fx keeps the call, which depends on the device and on the mode.
@torch.fx.wrap
def _arrange(x: Tensor, channels_last: bool, fast_inference: bool) -> Tensor:
    # All layers keep this memory format, in which oneDNN's convolutions do not copy their inputs.
    # In training, contiguous weights would need a copy of their gradients (benchmarks/cifar.py).
    # torch.jit.trace compares what it traces with and without gradients.
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    inference = tracing or not torch.is_grad_enabled()
    if not channels_last and not (fast_inference and inference and x.device.type == 'cpu'):
        return x
    try:
        return x.contiguous(memory_format=torch.channels_last)
    except RuntimeError:  # torch.func.vmap supports no memory formats
        return x
