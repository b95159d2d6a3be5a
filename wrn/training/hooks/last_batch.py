"""Refuse a batch size that leaves no batch, or a batch that a norm cannot take, before training."""

import math
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from wrn.checkpoints import unwrap_model
from wrn_base.errors import WrnError, count


class LastBatchHook(Hook):
    """Check the smallest batch of an epoch, which is the last.

    A batch norm needs more than one value per channel: a single image is not enough where an image
    has shrunk to one pixel. Whether that happens is tried with one image.
    """

    def before_train(self, runner: Runner) -> None:
        """Check the batches of the training data.

        Raises:
            WrnError: If an epoch has no batch, or the last one is too small.
        """
        loader = runner.train_dataloader
        if len(loader) == 0:
            raise WrnError(
                f'train_dataloader: {count(len(loader.dataset), "image")} are less than a batch, '
                'and drop_last leaves it out; lower train_dataloader.batch_size'
            )
        if _count_last(loader) == 1:
            self._try(runner, loader)

    def _try(self, runner: Runner, loader: DataLoader[Any]) -> None:
        model = unwrap_model(runner.model)
        statistics = {name: buffer.clone() for name, buffer in model.named_buffers()}
        batches: Any = loader.batch_sampler
        (item, *_) = next(iter(batches))
        model.train()
        try:
            with torch.no_grad(), runner.optim_wrapper.optim_context(model):
                batch = model.data_preprocessor(loader.collate_fn([loader.dataset[item]]), True)
                model(**batch, mode='loss')
        except ValueError as error:
            if 'more than 1 value per channel' not in str(error):
                raise
            raise WrnError(
                'train_dataloader: the last batch of an epoch has 1 image, which is too few for '
                'the batch norms of this network at this image size; set '
                'train_dataloader.drop_last=True, or another train_dataloader.batch_size'
            ) from error
        finally:
            for name, buffer in model.named_buffers():
                buffer.copy_(statistics[name])


def _count_last(loader: DataLoader[Any]) -> int | None:
    """Return the number of images in the last batch of an epoch; None if it is unknown."""
    batches: Any = loader.batch_sampler
    size, drop_last = (getattr(batches, name, None) for name in ('batch_size', 'drop_last'))
    if not isinstance(size, int) or drop_last is None or not hasattr(batches, 'sampler'):
        return None
    images = math.ceil(len(batches.sampler) / getattr(batches, 'accumulative_counts', 1))
    return size if drop_last else images % size or size
