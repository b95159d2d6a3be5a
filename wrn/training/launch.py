"""Join a distributed job, also where mmengine cannot: without a GPU."""

import gc
import os
import subprocess
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
from mmengine.config import Config
from mmengine.device import (
    is_cuda_available,
    is_mlu_available,
    is_musa_available,
    is_npu_available,
)
from mmengine.dist import (
    broadcast,
    broadcast_object_list,
    init_dist,
    is_distributed,
    is_main_process,
)
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.utils.dl_utils import set_multi_processing

from wrn.utils.errors import WrnError

_T = TypeVar('_T')

_VARIABLES = {
    'slurm': dict(RANK='SLURM_PROCID', WORLD_SIZE='SLURM_NTASKS', LOCAL_RANK='SLURM_LOCALID'),
    'mpi': dict(
        RANK='OMPI_COMM_WORLD_RANK',
        WORLD_SIZE='OMPI_COMM_WORLD_SIZE',
        LOCAL_RANK='OMPI_COMM_WORLD_LOCAL_RANK',
    ),
}


def has_accelerator() -> bool:
    """Tell whether there is a device that mmengine can train on with mixed precision or NCCL."""
    return is_cuda_available() or is_npu_available() or is_mlu_available() or is_musa_available()


def init_distributed(cfg: Config) -> None:
    """Join the process group of a job, with gloo if there is no accelerator, unless that is done.

    mmengine 0.10 calls ``torch.cuda.set_device`` whatever the backend, and gives DDP a device id.
    It leaves both alone if the group exists already and ``model_wrapper_cfg`` is set; this can go
    when it asks what devices there are. With an accelerator mmengine joins with the config's
    backend.

    Each process normalises with its own batch; the running statistics are those of the first
    process, torch's default, since a checkpoint holds these alone.

    Args:
        cfg: The config, whose ``launcher`` is ``'none'``, ``'pytorch'``, ``'slurm'`` or
            ``'mpi'``; its ``model_wrapper_cfg`` is set.

    Raises:
        WrnError: If the launcher did not set the variables that it should.
    """
    if cfg.launcher == 'none':
        return
    env_cfg = cfg.get('env_cfg') or {}
    dist_cfg = env_cfg.get('dist_cfg') or {}
    wrapper = {'type': 'MMDistributedDataParallel', **(cfg.get('model_wrapper_cfg') or {})}
    if wrapper['type'] == 'MMDistributedDataParallel':
        wrapper.setdefault('find_unused_parameters', cfg.get('find_unused_parameters', False))
    elif wrapper['type'] == 'MMFullyShardedDataParallel':
        raise WrnError(
            f"model_wrapper_cfg.type='{wrapper['type']}': mmengine's Runner would initialise and "
            "save a process's part of the weights as if it were the whole; set runner_type and "
            'strategy for its FlexibleRunner'
        )
    cfg.model_wrapper_cfg = wrapper
    if not has_accelerator():
        if wrapper['type'] == 'MMDistributedDataParallel':
            cfg.model_wrapper_cfg.device_ids = None
        if cfg.get('sync_bn'):
            raise WrnError(
                f"sync_bn='{cfg.sync_bn}': batch norms are synchronised on GPUs alone; leave it out"
            )
    if is_distributed():
        return
    try:
        if has_accelerator():
            set_multi_processing(**env_cfg.get('mp_cfg', {}), distributed=True)
            init_dist(cfg.launcher, **dist_cfg)
        else:
            _init_gloo(cfg.launcher, dist_cfg)
    except (KeyError, ValueError) as error:
        reason = f'{error} is not set' if isinstance(error, KeyError) else error
        raise WrnError(
            f'--launcher {cfg.launcher}: {reason}; start the job with a script of tools/, or leave '
            'the option out'
        ) from error


def _init_gloo(launcher: str, dist_cfg: dict[str, Any]) -> None:
    for variable, source in _VARIABLES.get(launcher, {}).items():
        os.environ[variable] = os.environ[source]
    if launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
        command = ['scontrol', 'show', 'hostnames', os.environ['SLURM_NODELIST']]
        try:
            hosts = subprocess.check_output(command, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise WrnError(
                f'--launcher slurm: scontrol does not say which node is the first ({error}); set '
                'MASTER_ADDR to its name'
            ) from error
        os.environ['MASTER_ADDR'] = hosts.split()[0]
    os.environ.setdefault('MASTER_PORT', str(dist_cfg.get('port', 29500)))
    timeout = dist_cfg.get('timeout')
    torch.distributed.init_process_group(
        'gloo', timeout=timedelta(seconds=timeout) if timeout else None
    )


def ask_first(ask: Callable[[], _T]) -> _T:
    """Let the first process of a job decide for all, which must all call this.

    Args:
        ask: What decides; called in the first process alone.

    Returns:
        What it returned there.

    Raises:
        WrnError: If it raised one there.
    """
    found: list[Any] = [None]
    if is_main_process():
        try:
            found = [ask()]
        except WrnError as error:
            found = [error]
    broadcast_object_list(found)
    if isinstance(found[0], WrnError):
        raise found[0]
    return found[0]


def leave_distributed() -> None:
    """Leave the process group of a job, when its work is done, and end its threads.

    Those of gloo abort a process that ends while they still drop the tensors of the last
    communication, for which they need Python. Only the end of the group waits for them. So nobody
    may still wait for another process, nor an exception hold on to the run.
    """
    if is_distributed():
        group = torch.distributed.group.WORLD
        torch.distributed.destroy_process_group()
        gc.collect()  # DDP has it, too, in cycles of a runner and its hooks
        del group  # the last of it, which is dropped without Python's lock


class BroadcastBuffersHook(Hook):
    """Validate with the first process's running statistics in all of them, as checkpoints have."""

    priority = 'LOW'  # after an average of the weights has taken their place

    def before_val_epoch(self, runner: Runner) -> None:
        """Send them to the others."""
        for buffer in runner.model.buffers():
            broadcast(buffer)
