"""Training with weights, gradients and the optimizer's state in parts, one a process: FSDP."""

import time
from typing import Any

import mmengine
from mmengine._strategy import FSDPStrategy
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.fileio import join_path
from mmengine.registry import RUNNERS, STRATEGIES
from mmengine.runner import FlexibleRunner
from mmengine.runner.checkpoint import save_checkpoint
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from wrn.training.console import BriefConsole
from wrn.training.launch import has_accelerator
from wrn.utils.errors import WrnError

_SAVED = StateDictOptions(full_state_dict=True, cpu_offload=True)
_LOADED = StateDictOptions(full_state_dict=True, strict=False)
# What goes by single elements. Others, and clipping, would take a part's norm for the whole's.
_OPTIMIZERS = ('SGD', 'Adam', 'AdamW')
_WRAPPERS = ('OptimWrapper', 'BFloat16OptimWrapper')


@STRATEGIES.register_module()
class WholeFSDPStrategy(BriefConsole, FSDPStrategy):
    """mmengine's FSDP, but that states are saved and loaded whole, on the CPU, too.

    mmengine 0.10 gives torch's functions for the state of the optimizer their arguments in the
    order of torch 2.0; this can go when it loads one.

    Args:
        model_wrapper: The arguments of ``MMFullyShardedDataParallel``. Defaults to none.
        **kwargs: The other arguments of mmengine's ``FSDPStrategy`` but ``state_dict_cfg``.
    """

    def __init__(self, model_wrapper: dict[str, Any] | None = None, **kwargs: Any) -> None:
        wrapper = {'type': 'MMFullyShardedDataParallel', **(model_wrapper or {})}
        if not has_accelerator():
            wrapper['device_id'] = 'cpu'
        super().__init__(model_wrapper=wrapper, state_dict_cfg='full', **kwargs)

    def model_state_dict(self) -> dict[str, Any]:
        """Collect the weights in the first process."""
        return get_model_state_dict(self.model, options=_SAVED)

    def optim_state_dict(self) -> dict[str, Any]:
        """Collect the optimizer's state in the first process."""
        return get_optimizer_state_dict(self.model, self.optim_wrapper.optimizer, options=_SAVED)

    def load_model_state_dict(self, state_dict: dict[str, Any], **kwargs: Any) -> None:
        """Take this process's part of weights.

        Args:
            state_dict: All weights.
            **kwargs: What mmengine gives.
        """
        set_model_state_dict(self.model, state_dict, options=_LOADED)

    def load_optim_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take this process's part of an optimizer's state.

        Args:
            state_dict: All of it, of a run in parts.

        Raises:
            WrnError: If it is of another run, in which the weights have numbers, not names.
        """
        if any(isinstance(weight, int) for weight in state_dict['state']):
            raise WrnError(
                '--fsdp: the momenta to resume from are of a run without it; resume without, or '
                'start from the weights alone (load_from)'
            )
        set_optimizer_state_dict(
            self.model, self.optim_wrapper.optimizer, state_dict, options=_LOADED
        )


@RUNNERS.register_module()
class ShardedRunner(FlexibleRunner):
    """mmengine's runner for strategies, with checkpoints that say and are written as its other's.

    The arguments are those of :class:`mmengine.runner.FlexibleRunner`.
    """

    @classmethod
    def from_cfg(cls, cfg: Config) -> 'ShardedRunner':
        """Build a runner.

        Args:
            cfg: The config.

        Returns:
            The runner.

        Raises:
            WrnError: If there is something in the config that would go wrong on parts.
        """
        if cfg.get('launcher', 'none') == 'none':
            raise WrnError('--fsdp: needs several processes; start them with tools/dist_train.sh')
        wrapper = cfg.get('optim_wrapper')
        if wrapper:
            for key, known in (('type', _WRAPPERS), ('optimizer.type', _OPTIMIZERS)):
                values = wrapper if key == 'type' else wrapper.optimizer
                if values.get('type', known[0]) not in known:
                    raise WrnError(
                        f'--fsdp: optim_wrapper.{key} must be one of {", ".join(known)}; '
                        f'{values.type} needs weights that are whole'
                    )
            if wrapper.get('clip_grad'):
                raise WrnError('--fsdp: optim_wrapper.clip_grad needs gradients that are whole')
        if (cfg.model.get('backbone') or {}).get('channels_last'):
            raise WrnError('--fsdp: torch loads momenta wrongly with --channels-last; leave it out')
        if cfg.get('sync_bn'):
            raise WrnError(
                '--fsdp: mmengine has no synchronised batch norms then; leave out sync_bn'
            )
        if any('EMAHook' in str(hook['type']) for hook in cfg.get('custom_hooks') or []):
            raise WrnError('--fsdp: EMAHook needs weights that are whole')
        return super().from_cfg(cfg)

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict[str, Any] | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict[str, Any] | None = None,
        by_epoch: bool = True,
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        """Save a checkpoint, in all processes at once; the first one writes it.

        Args:
            out_dir: The folder.
            filename: The name in it.
            file_client_args: Not used.
            save_optimizer: Whether to save the optimizer's state. Defaults to True.
            save_param_scheduler: Whether to save those of the schedulers. Defaults to True.
            meta: What to say of it; of ``epoch`` and ``iter`` this wins. Defaults to nothing.
            by_epoch: Whether an epoch has come to its end. Defaults to True.
            backend_args: How to write it. Defaults to None.
        """
        states = dict(state_dict=self.strategy.model_state_dict())
        if save_optimizer:
            states['optimizer'] = self.strategy.optim_state_dict()
        if save_param_scheduler:
            states['param_schedulers'] = self.strategy.scheduler_state_dict()
        if not is_main_process():
            return
        checkpoint = {
            'meta': {
                'epoch': self.epoch + by_epoch,
                'iter': self.iter + (not by_epoch),
                **(meta or {}),
                'cfg': self.cfg.pretty_text,
                'seed': self.seed,
                'experiment_name': self.experiment_name,
                'time': time.strftime('%Y%m%d_%H%M%S'),
                'mmengine_version': mmengine.__version__,
                'dataset_meta': getattr(self.train_dataloader.dataset, 'metainfo', {}),
            },
            'message_hub': self.message_hub.state_dict(),
            **states,
        }
        self.call_hook('before_save_checkpoint', checkpoint=checkpoint)
        path = join_path(out_dir, filename, backend_args=backend_args)
        save_checkpoint(checkpoint, path, backend_args=backend_args)
