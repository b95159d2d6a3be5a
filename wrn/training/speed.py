"""Settings of how fast a step is: what the command line says, else the config, else a default."""

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
    """Compile the backbone before a run, in place: checkpoints are as without.

    mmengine's own ``compile=True`` compiles the whole step, and that anew for every learning rate
    and every mixture of pictures, until torch gives up.

    Each size of a batch is compiled for itself, so that a run that goes on computes as one that was
    never disturbed.

    Args:
        **kwargs: The arguments of :func:`torch.compile`.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.kwargs = {'dynamic': False, **kwargs}

    def before_run(self, runner: Runner) -> None:
        """Compile it; what takes time comes with the first batch of each size."""
        unwrap_model(runner.model).backbone.compile(**self.kwargs)


@HOOKS.register_module()
class TF32Hook(Hook):
    """Let GPUs round the factors of float32 products to TF32, or not.

    Without it torch does so in convolutions, but not in linear layers.

    Args:
        enabled: Whether they do, in both. Defaults to True.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled

    def before_run(self, runner: Runner) -> None:
        """Set it, for the whole process."""
        torch.set_float32_matmul_precision('high' if self.enabled else 'highest')
        torch.backends.cudnn.allow_tf32 = self.enabled


class OptimizerLayoutHook(Hook):
    """Let the optimizer of a resumed run work as this run says, not as the checkpoint's did.

    That may have had another order of memory. Fused optimizers go through a weight and what they
    remember of it as both lie in memory, and would mix up the elements without a word.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Leave the checkpoint's choice of kernels."""
        if runner._resume and 'optimizer' in checkpoint:
            ours = runner.optim_wrapper.optimizer.defaults
            kernels = {key: ours[key] for key in ('fused', 'foreach') if key in ours}
            for group in checkpoint['optimizer']['param_groups']:
                group.update(kernels)

    def before_train(self, runner: Runner) -> None:
        """Copy what lies otherwise."""
        for weight, state in runner.optim_wrapper.optimizer.state.items():
            for key, value in state.items():
                if not torch.is_tensor(value) or value.shape != weight.shape:
                    continue
                if value.stride() != weight.stride():
                    state[key] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def set_channels_last(cfg: Config, wanted: bool | None) -> None:
    """Set whether the network keeps its features channels last.

    Args:
        cfg: The config.
        wanted: Whether it shall; None for what the config says, and else True where the network is
            one of this package's, but for a config's own strategy, such as FSDP's, which loads
            momenta wrongly then.

    Raises:
        WrnError: If another network shall.
    """
    model = cfg.model.get('module', cfg.model)  # test-time augmentation wraps it
    backbone: Any = model.get('backbone') or {}
    kind = backbone.get('type')
    if not _takes(MODELS, kind, 'channels_last'):
        if wanted:
            raise WrnError(
                f'--channels-last: the backbone {kind} cannot; it is for WideResNet and '
                'WideResNetCIFAR'
            )
    elif wanted is not None:
        backbone.channels_last = wanted
    else:
        backbone.setdefault('channels_last', 'strategy' not in cfg)


def set_fused(cfg: Config, wanted: bool | None) -> None:
    """Set whether the optimizer updates all weights in one kernel.

    Args:
        cfg: The config.
        wanted: Whether it shall; None for what the config says, and else True for those of torch
            that can on the CPU and with CUDA.

    Raises:
        WrnError: If an optimizer shall that cannot.
    """
    optimizer = (cfg.get('optim_wrapper') or {}).get('optimizer')
    if not optimizer:  # nor can it train, which is said elsewhere
        return
    kind = optimizer.get('type')
    if not _takes(OPTIMIZERS, kind, 'fused'):
        if wanted:
            raise WrnError(f'--fused: the optimizer {kind} cannot; leave it out')
    elif wanted is not None:
        optimizer.fused = wanted
        if wanted:
            optimizer.pop('foreach', None)  # the other way, which excludes it
    elif (
        kind in ('SGD', 'Adam', 'AdamW')
        and get_device() in ('cpu', 'cuda')
        and not optimizer.keys() & {'foreach', 'differentiable'}
    ):
        optimizer.setdefault('fused', True)


def set_compile(cfg: Config, wanted: bool | None) -> None:
    """Set whether the backbone is compiled.

    Args:
        cfg: The config, whose ``default_hooks.compile`` is a :class:`CompileHook` if so.
        wanted: Whether it shall be; None for what the config says.
    """
    hooks = set_default(cfg, 'default_hooks', {})
    if wanted:
        hooks.setdefault('compile', dict(type='CompileHook'))
    elif wanted is not None:
        hooks.pop('compile', None)


def set_tf32(cfg: Config, wanted: bool | None) -> None:
    """Set whether GPUs round the factors of float32 products.

    Args:
        cfg: The config, whose ``default_hooks.tf32`` is a :class:`TF32Hook`, or not there.
        wanted: Whether they shall; None for what the config says, and else for torch's default.
    """
    if wanted is not None:
        set_default(cfg, 'default_hooks', {}).tf32 = dict(type='TF32Hook', enabled=wanted)


def set_cudnn_benchmark(cfg: Config, wanted: bool | None) -> None:
    """Set whether cuDNN tries its algorithms for each new size, and takes the quickest.

    Args:
        cfg: The config.
        wanted: Whether it shall; None for what the config says.
    """
    if wanted is not None:
        set_default(cfg, 'env_cfg', {}).cudnn_benchmark = wanted


def set_sync_bn(cfg: Config, wanted: bool | None) -> None:
    """Set whether the processes of a job normalise with the statistics of all of their batches.

    Args:
        cfg: The config.
        wanted: Whether they shall; None for what the config says.
    """
    if wanted is not None:
        cfg.sync_bn = 'torch' if wanted else None


def _takes(registry: Registry, kind: Any, argument: str) -> bool:
    """Tell whether a registered class takes an argument; of one that is not registered, no."""
    registered = find_class(registry, kind)
    return registered is not None and argument in inspect.signature(registered).parameters
