"""Choose how a step is computed: the compiler, TF32, and the kernels of the optimizer."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from wrn.checkpoints import unwrap_model


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
