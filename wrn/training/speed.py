"""Speed settings: from the command line, else from the config, else a default."""

import inspect
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import Registry
from mmpretrain.registry import MODELS, OPTIMIZERS

from wrn.config.config_parts import find_class, get_inner_model, set_default
from wrn_base.errors import WrnError


def set_channels_last(cfg: Config, wanted: bool | None) -> None:
    """Set whether the network runs in the channels-last memory format.

    Args:
        cfg: The config.
        wanted: Whether to use channels-last. None keeps the config's setting. If the config has
            none, networks of this package use channels-last, except in a config with a
            ``strategy``: FSDP would load the optimizer state wrongly.

    Raises:
        WrnError: If ``wanted`` is True and the network does not support it.
    """
    model = get_inner_model(cfg.model)
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
        wanted: Whether to use the fused implementation. None keeps the config's setting. If the
            config has none, SGD, Adam and AdamW are fused on CPU and CUDA.

    Raises:
        WrnError: If ``wanted`` is True and the optimizer has no fused implementation.
    """
    optimizer = (cfg.get('optim_wrapper') or {}).get('optimizer')
    if not optimizer:  # wrn.training.checks reports that the config cannot train
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
        cfg: The config. Its ``default_hooks.compile`` is a :class:`wrn.CompileHook` or missing.
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
        cfg: The config. Its ``default_hooks.tf32`` is a :class:`wrn.TF32Hook` or missing.
        wanted: Whether to allow TF32. None keeps the setting of the config, if any, or of torch.
    """
    if wanted is not None:
        set_default(cfg, 'default_hooks', {}).tf32 = dict(type='TF32Hook', enabled=wanted)


def set_cudnn_benchmark(cfg: Config, wanted: bool | None) -> None:
    """Set whether cuDNN times its algorithms for each new input size and uses the fastest.

    Args:
        cfg: The config.
        wanted: Whether to time the algorithms. None keeps the config's setting.
    """
    if wanted is not None:
        set_default(cfg, 'env_cfg', {}).cudnn_benchmark = wanted


def set_sync_bn(cfg: Config, wanted: bool | None) -> None:
    """Set whether batch norms are synchronized over the processes of a job.

    Args:
        cfg: The config.
        wanted: Whether to synchronize them. None keeps the config's setting.
    """
    if wanted is not None:
        cfg.sync_bn = 'torch' if wanted else None


def _takes(registry: Registry, kind: Any, argument: str) -> bool:
    """Return whether a class takes an argument; False if it is not registered."""
    registered = find_class(registry, kind)
    return registered is not None and argument in inspect.signature(registered).parameters
