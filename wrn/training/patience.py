"""Stop a run when validation no longer improves."""

import math
from typing import Any

from mmengine.config import Config
from mmengine.hooks import EarlyStoppingHook
from mmpretrain.registry import HOOKS

from wrn.config.config_parts import find_class, set_default
from wrn.training.evaluation import find_accuracies
from wrn_base.errors import WrnError

# An equally good validation is no improvement: less than one of ten million images, in percent.
_LEAST = 1e-6


def set_patience(cfg: Config, patience: int) -> None:
    """Stop a run after some epochs without a better validation.

    The metric is that of the best checkpoint (``default_hooks.checkpoint.save_best``). If the
    config has none, it is the top-1 accuracy, and the best checkpoint is kept.

    Args:
        cfg: The config, which is changed.
        patience: The number of epochs; in a run by iterations, the number of validations.

    Raises:
        WrnError: If the run has no validation, or no metric to compare.
    """
    option = f'--patience {patience}'
    if not cfg.get('val_dataloader') or cfg.get('val_cfg') is None:
        raise WrnError(
            f'{option}: the run has no validation to stop by; add one, or leave --patience out'
        )
    hooks = set_default(cfg, 'default_hooks', {})
    hooks.setdefault('checkpoint', dict(type='CheckpointHook'))
    checkpoint = hooks.checkpoint
    if not checkpoint:
        raise WrnError(f'{option}: default_hooks.checkpoint is off; leave it on, or --patience out')
    best = checkpoint.get('save_best')
    monitor = best[0] if isinstance(best, list | tuple) and best else best
    if monitor in (None, 'auto'):
        monitor = _find_accuracy(cfg.get('val_evaluator'))
        if monitor is None:
            raise WrnError(
                f'{option}: no accuracy in val_evaluator; name the metric to stop by with '
                '--cfg-options default_hooks.checkpoint.save_best=METRIC '
                'default_hooks.checkpoint.rule=greater'
            )
    if best is None:
        checkpoint['save_best'] = monitor
    rule = checkpoint.get('rule')
    rule = rule[0] if isinstance(rule, list | tuple) else rule
    loop: Any = cfg.train_cfg
    interval = loop.get('val_interval', 1) if 'max_epochs' in loop else 1
    hook = dict(
        type='ResumableEarlyStoppingHook',
        monitor=monitor,
        min_delta=_LEAST,
        patience=math.ceil(patience / interval),
        strict=True,
    )
    try:
        EarlyStoppingHook(monitor, rule)
    except ValueError as error:
        raise WrnError(
            f'{option}: whether a greater {monitor} is better is unknown; add --cfg-options '
            'default_hooks.checkpoint.rule=greater, or less'
        ) from error
    if rule:
        hook['rule'] = rule
    others = [h for h in cfg.get('custom_hooks') or () if not is_early_stopping(h)]
    cfg.custom_hooks = [*others, hook]


def is_early_stopping(hook: Any) -> bool:
    """Return whether the config of a hook is that of early stopping."""
    kind = find_class(HOOKS, hook.get('type'))
    return isinstance(kind, type) and issubclass(kind, EarlyStoppingHook)


def _find_accuracy(metrics: Any) -> str | None:
    """Return the name that the first accuracy of an evaluator has among its results."""
    for metric, topk in find_accuracies(metrics):
        if not metric.get('thrs'):
            return f'{metric.get("prefix") or "accuracy"}/top{min(topk)}'
    return None
