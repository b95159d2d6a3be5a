"""Overfit one small batch, to see within a minute whether a setup can learn."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from mmcv.cnn.bricks import DropPath
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmpretrain.models import ClsHead
from torch import nn

from wrn.config.config_errors import config_errors
from wrn.data.checked_reading import check_reading
from wrn.training.build_runner import build_runner
from wrn.training.checks import check_optimizer, get_head
from wrn.training.hooks.model_checks import check_classes
from wrn.utils.memory import batch_errors
from wrn_base.errors import WrnError
from wrn_base.run_progress import SILENT, RunProgress, Step

_CHECK_EVERY = 10


@dataclass
class OverfitResult:
    """The result of overfitting a batch.

    Attributes:
        losses: The loss of each step.
        right: The number of images that are classified correctly after the last step.
        total: The number of images in the batch.
    """

    losses: list[float]
    right: int
    total: int

    @property
    def learns(self) -> bool:
        """Whether all images of the batch are classified correctly."""
        return self.right == self.total


def overfit_batch(
    cfg: Config,
    batch_size: int = 16,
    steps: int = 100,
    progress: RunProgress = SILENT,
) -> OverfitResult:
    """Train on one small batch until every image in it is classified correctly.

    The data, the network, the loss and the optimizer are those of the config. The learning rate is
    the base learning rate, without warm-up. For SGD it is scaled linearly from the batch size in
    ``auto_scale_lr``, if the config has one. (The step size of LAMB and Adam does not depend on the
    batch size.) Mixup, CutMix, dropout and drop path are disabled: with them, an accuracy of 100 %
    is not expected.

    Args:
        cfg: The config, with the command-line options applied.
        batch_size: The number of images. Defaults to 16.
        steps: The maximum number of steps. Defaults to 100.
        progress: Receives the steps. Defaults to nobody.

    Returns:
        The losses and the number of correct predictions.

    Raises:
        WrnError: If the config or the data is wrong, all images are of one class, or the loss is
            not finite.
    """
    cfg = deepcopy(cfg)
    with config_errors(cfg.filename):
        check_optimizer(cfg)
        cfg.model.pop('train_cfg', None)
        loss = (cfg.model.get('head') or {}).get('loss') or {}
        if not issubclass(get_head(cfg.model)[1], ClsHead):
            raise WrnError(
                f'{cfg.filename}: the head must predict one class per image; overfitting is '
                'measured by accuracy'
            )
        for owner in (cfg, cfg.model):
            if preprocessor := owner.get('data_preprocessor'):
                preprocessor.pop('batch_augments', None)
                # Mixup and CutMix would have produced one-hot labels.
                preprocessor.to_onehot = bool(loss.get('use_sigmoid'))
        runner = build_runner(cfg, ['train_dataloader'], [], progress)
        loader: Any = runner._train_dataloader
        loader.update(
            batch_size=batch_size,
            num_workers=0,
            persistent_workers=False,
            pin_memory=False,
            drop_last=False,
            collate_fn=dict(type='default_collate'),
            sampler=dict(type='DefaultSampler', shuffle=True),  # no repeated images
        )
        data = Runner.build_dataloader(loader, seed=runner.seed)
        list(check_reading(data.dataset))
        check_classes('train_dataloader', data, cfg.model)
        batch = next(iter(data))
        labels = [int(sample.gt_label) for sample in batch['data_samples']]
        model: Any = runner.model
        model.init_weights()
        optimizer: Any = runner.build_optim_wrapper(cfg.optim_wrapper)
        base_size = (cfg.get('auto_scale_lr') or {}).get('base_batch_size')
        if base_size and isinstance(optimizer.optimizer, torch.optim.SGD):
            for group in optimizer.param_groups:
                group['lr'] *= len(labels) / base_size
        optimizer.initialize_count_status(model, 0, steps)
    if len(set(labels)) < 2:
        raise WrnError(
            f'{cfg.filename}: the batch of {len(labels)} has images of one class only, which any '
            'network learns; increase --batch-size'
        )
    losses: list[float] = []
    right = 0
    progress.phase('first step')
    for step in range(steps):
        _disable_dropout(model.train())
        with config_errors(cfg.filename), batch_errors(batch_size):
            losses.append(model.train_step(batch, optimizer)['loss'].item())
        if not abs(losses[-1]) < float('inf'):
            raise WrnError(
                f'{cfg.filename}: the loss is {losses[-1]} in step {step + 1}; lower the learning '
                'rate, or check the data for invalid values'
            )
        share = (step + 1) / steps
        progress.step(Step('train', step + 1, steps, share, loss=losses[-1]))
        if (step + 1) % _CHECK_EVERY == 0 or step + 1 == steps:
            right = sum(p == label for p, label in zip(_predict(model, batch), labels, strict=True))
            if right == len(labels):
                break
    progress.end()
    return OverfitResult(losses, right, len(labels))


def _disable_dropout(model: BaseModel) -> None:
    for module in model.modules():
        if isinstance(module, nn.Dropout | DropPath):
            module.eval()


@torch.no_grad()
def _predict(model: BaseModel, batch: dict[str, Any]) -> list[int]:
    """Classify a batch with its own statistics, since the running statistics lag behind."""
    data = model.data_preprocessor(batch, training=False)
    return [int(sample.pred_label) for sample in model(**data, mode='predict')]
