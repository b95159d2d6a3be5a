"""The memory format of a network's weights and features."""

import torch
from mmengine.model import BaseModule


class ChannelsLastMixin(BaseModule):
    """A network that can keep its weights and features in the channels-last memory format.

    Attributes:
        channels_last: Whether the network keeps them in this format.
    """

    channels_last = False

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
