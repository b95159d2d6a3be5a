"""How the weights and features of a network lie in memory."""

import torch
from mmengine.model import BaseModule


class ChannelsLastMixin(BaseModule):
    """A network whose weights and features may lie channels last: those of a pixel side by side.

    Attributes:
        channels_last: Whether they do.
    """

    channels_last = False

    def use_channels_last(self, channels_last: bool) -> None:
        """Set it, before an optimizer or DDP looks at how the weights lie.

        Args:
            channels_last: Whether weights and features lie so.
        """
        self.channels_last = channels_last
        if channels_last:
            self.to(memory_format=torch.channels_last)

    def init_weights(self) -> None:
        """Initialise the weights; from a seed to the same values, however they lie in memory."""
        self.to(memory_format=torch.contiguous_format)  # as they lie, so they are drawn
        super().init_weights()
        self.use_channels_last(self.channels_last)
