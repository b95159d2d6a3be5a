"""Speed settings: from the command line, else from the config, else a default."""

import inspect
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.registry import Registry
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS, MODELS, OPTIMIZERS

from wrn.checkpoints import unwrap_model
from wrn.config.config_parts import find_class, set_default
from wrn.utils.errors import WrnError


@HOOKS.register_module()
class CompileHook(Hook):
    """Compile the backbone before a run, in place, so that checkpoint keys do not change.

    mmengine's own ``compile=True`` compiles the whole step. It recompiles for every learning rate
    and every mixup or CutMix ratio, until torch reaches its limit.

    Each batch size is compiled separately (``dynamic=False``), so that a resumed run computes
    exactly what an uninterrupted one does.

    Args:
        **kwargs: The arguments of :func:`torch.compile`.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.kwargs = {'dynamic': False, **kwargs}

    def before_run(self, runner: Runner) -> None:
        """Mark the backbone; torch compiles it at the first batch of each size."""
        unwrap_model(runner.model).backbone.compile(**self.kwargs)


@HOOKS.register_module()
class TF32Hook(Hook):
    """Allow or forbid TF32 on GPUs, in convolutions and in linear layers.

    torch's default is TF32 in convolutions but not in linear layers.

    Args:
        enabled: Whether to allow TF32. Defaults to True.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled

    def before_run(self, runner: Runner) -> None:
        """Set torch's flags, which apply to the whole process."""
        torch.set_float32_matmul_precision('high' if self.enabled else 'highest')
        torch.backends.cudnn.allow_tf32 = self.enabled


class OptimizerLayoutHook(Hook):
    """Apply the run's own kernels and memory format to the optimizer state of a checkpoint.

    The checkpoint may come from a run with another memory format. Fused optimizers walk through a
    weight and its state in memory order, and would silently mix up the elements if the formats
    differed.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Keep the run's ``fused`` and ``foreach`` instead of the checkpoint's."""
        if runner._resume and 'optimizer' in checkpoint:
            defaults = runner.optim_wrapper.optimizer.defaults
            kernels = {key: defaults[key] for key in ('fused', 'foreach') if key in defaults}
            for group in checkpoint['optimizer']['param_groups']:
                group.update(kernels)

    def before_train(self, runner: Runner) -> None:
        """Copy optimizer state into the memory format of its weight."""
        for weight, state in runner.optim_wrapper.optimizer.state.items():
            for key, value in state.items():
                if not torch.is_tensor(value) or value.shape != weight.shape:
                    continue
                if value.stride() != weight.stride():
                    state[key] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def set_channels_last(cfg: Config, wanted: bool | None) -> None:
    """Set whether the network runs in the channels-last memory format.

    Args:
        cfg: The config.
        wanted: Whether it should. None keeps the config's setting. If the config has none, networks
            of this package use channels-last, unless the config has a ``strategy``: FSDP, for one,
            loads the optimizer state wrongly then.

    Raises:
        WrnError: If ``wanted`` is True and the network does not support it.
    """
    model = cfg.model.get('module', cfg.model)  # test-time augmentation wraps it
    backbone: Any = model.get('backbone') or {}
    kind = backbone.get('type')
    if not _takes(MODELS, kind, 'channels_last'):
        if wanted:
            raise WrnError(
                f'--channels-last: the backbone {kind} does not support it; leave the option out '
                '(WideResNet and WideResNetCIFAR support it)'
            )
    elif wanted is not None:
        backbone.channels_last = wanted
    else:
        backbone.setdefault('channels_last', 'strategy' not in cfg)


def set_fused(cfg: Config, wanted: bool | None) -> None:
    """Set whether the optimizer uses its fused implementation, one kernel for all weights.

    Args:
        cfg: The config.
        wanted: Whether it should. None keeps the config's setting. If the config has none, torch's
            optimizers that are fused on both CPU and CUDA use it there.

    Raises:
        WrnError: If ``wanted`` is True and the optimizer has no fused implementation.
    """
    optimizer = (cfg.get('optim_wrapper') or {}).get('optimizer')
    if not optimizer:  # cannot train; wrn.training.checks reports it
        return
    kind = optimizer.get('type')
    if not _takes(OPTIMIZERS, kind, 'fused'):
        if wanted:
            raise WrnError(
                f'--fused: the optimizer {kind} has no fused implementation; leave the option out'
            )
    elif wanted is not None:
        optimizer.fused = wanted
        if wanted:
            optimizer.pop('foreach', None)  # torch allows only one of them
    elif (
        kind in ('SGD', 'Adam', 'AdamW')
        and get_device() in ('cpu', 'cuda')
        and not optimizer.keys() & {'foreach', 'differentiable'}
    ):
        optimizer.setdefault('fused', True)


def set_compile(cfg: Config, wanted: bool | None) -> None:
    """Set whether the backbone is compiled.

    Args:
        cfg: The config. Its ``default_hooks.compile`` is a :class:`CompileHook` or missing.
        wanted: Whether to compile it. None keeps the config's setting.
    """
    hooks = set_default(cfg, 'default_hooks', {})
    if wanted:
        hooks.setdefault('compile', dict(type='CompileHook'))
    elif wanted is not None:
        hooks.pop('compile', None)


def set_tf32(cfg: Config, wanted: bool | None) -> None:
    """Set whether GPUs may use TF32.

    Args:
        cfg: The config. Its ``default_hooks.tf32`` is a :class:`TF32Hook` or missing.
        wanted: Whether they may. None keeps the config's setting, or else torch's default.
    """
    if wanted is not None:
        set_default(cfg, 'default_hooks', {}).tf32 = dict(type='TF32Hook', enabled=wanted)


def set_cudnn_benchmark(cfg: Config, wanted: bool | None) -> None:
    """Set whether cuDNN times its algorithms for each new input size and uses the fastest.

    Args:
        cfg: The config.
        wanted: Whether it should. None keeps the config's setting.
    """
    if wanted is not None:
        set_default(cfg, 'env_cfg', {}).cudnn_benchmark = wanted


def set_sync_bn(cfg: Config, wanted: bool | None) -> None:
    """Set whether batch norms are synchronised over the processes of a job.

    Args:
        cfg: The config.
        wanted: Whether they should be. None keeps the config's setting.
    """
    if wanted is not None:
        cfg.sync_bn = 'torch' if wanted else None


def _takes(registry: Registry, kind: Any, argument: str) -> bool:
    """Return whether a class takes an argument; False if it is not registered."""
    registered = find_class(registry, kind)
    return registered is not None and argument in inspect.signature(registered).parameters
