"""Validate with the same running statistics in all processes."""

from mmengine.dist import broadcast
from mmengine.hooks import Hook
from mmengine.runner import Runner


class BroadcastBuffersHook(Hook):
    """Validate with the first process's running statistics in all processes, as in checkpoints."""

    priority = 'LOW'  # after EMAHook has swapped in the averaged weights

    def before_val_epoch(self, runner: Runner) -> None:
        """Broadcast the buffers of the model."""
        for buffer in runner.model.buffers():
            broadcast(buffer)
