"""Save and restore the position of a run within an epoch."""

from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner


class PositionHook(Hook):
    """Save in checkpoints how many images of the epoch are done, and resume from there.

    Images rather than iterations are counted, so that a run can be resumed with another number of
    processes. If the position is then within an update, that update is repeated. A checkpoint
    without a position, such as one that mmengine wrote, is taken to be from the end of an epoch.

    Checkpoints also record whether the weights were validated, since a validation may step a
    scheduler.
    """

    def before_train_epoch(self, runner: Runner) -> None:
        """Record that the weights are about to change."""
        runner.train_loop.validated = False

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Record that the weights are validated."""
        runner.train_loop.validated = True

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Save the position in the epoch."""
        meta, sampler = checkpoint['meta'], runner.train_dataloader.batch_sampler
        done = meta['iter'] - meta['epoch'] * len(sampler)
        meta['pictures_of_epoch'] = done * sampler.batch_size * get_world_size()
        meta['validated'] = runner.train_loop.validated

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Convert the number of images to iterations with the current batch size and processes."""
        if runner._resume:
            meta, sampler = checkpoint['meta'], runner.train_dataloader.batch_sampler
            update = sampler.batch_size * get_world_size() * sampler.accumulative_counts
            updates = meta.get('pictures_of_epoch', 0) // update
            done = min(updates * sampler.accumulative_counts, len(sampler))
            meta['iter'] = meta['epoch'] * len(sampler) + done
            runner.train_loop.validated = meta.get('validated', False)
