"""Join and leave a distributed job, also on the CPU, where mmengine cannot."""

import gc
import os
import subprocess
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import broadcast_object_list, init_dist, is_distributed, is_main_process
from mmengine.utils.dl_utils import set_multi_processing

from wrn_base.errors import WrnError

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
    """Return whether there is a device that mmengine supports for mixed precision or NCCL."""
    return get_device() in ('cuda', 'npu', 'mlu', 'musa')


def init_distributed(cfg: Config) -> None:
    """Join the process group of a job, if that is not done yet.

    Without an accelerator the backend is gloo. mmengine 0.10 calls ``torch.cuda.set_device`` with
    any backend, and passes a device id to DDP. It does neither if the group already exists and
    ``model_wrapper_cfg`` is set. This workaround can go when mmengine checks which devices exist.
    With an accelerator, mmengine joins with the backend of the config.

    Each process normalizes with the statistics of its own batch. The running statistics of the
    first process are sent to all, which is torch's default. A checkpoint has only these.

    Args:
        cfg: The config. Its ``launcher`` is ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
            Its ``model_wrapper_cfg`` is set.

    Raises:
        WrnError: If the config does not work in a distributed job, or an environment variable
            of the launcher is missing.
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
            f"model_wrapper_cfg.type='{wrapper['type']}': mmengine's Runner would initialize and "
            'save the shard of one process as if it were all the weights; use its FlexibleRunner '
            '(set runner_type and strategy)'
        )
    cfg.model_wrapper_cfg = wrapper
    if not has_accelerator():
        if wrapper['type'] == 'MMDistributedDataParallel':
            cfg.model_wrapper_cfg.device_ids = None
        if cfg.get('sync_bn'):
            raise WrnError(
                f"sync_bn='{cfg.sync_bn}': synchronized batch norm needs a GPU; leave it out"
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
            f'--launcher {cfg.launcher}: {reason}; start the job with a script in tools/, or leave '
            'the option out'
        ) from error


def _init_gloo(launcher: str, dist_cfg: dict[str, Any]) -> None:
    for variable, launcher_variable in _VARIABLES.get(launcher, {}).items():
        os.environ[variable] = os.environ[launcher_variable]
    if launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
        command = ['scontrol', 'show', 'hostnames', os.environ['SLURM_NODELIST']]
        try:
            hosts = subprocess.check_output(command, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise WrnError(
                f'--launcher slurm: cannot get the name of the first node from scontrol ({error}); '
                'set MASTER_ADDR to it'
            ) from error
        os.environ['MASTER_ADDR'] = hosts.split()[0]
    os.environ.setdefault('MASTER_PORT', str(dist_cfg.get('port', 29500)))
    timeout = dist_cfg.get('timeout')
    torch.distributed.init_process_group(
        'gloo', timeout=timedelta(seconds=timeout) if timeout else None
    )


def ask_first(decide: Callable[[], _T]) -> _T:
    """Call a function in the first process of a job, and return its result in all processes.

    All processes must call this.

    Args:
        decide: The function.

    Returns:
        Its result.

    Raises:
        WrnError: If the function raised it.
    """
    result: list[Any] = [None]
    if is_main_process():
        try:
            result = [decide()]
        except WrnError as error:
            result = [error]
    broadcast_object_list(result)
    if isinstance(result[0], WrnError):
        raise result[0]
    return result[0]


def leave_distributed() -> None:
    """Leave the process group of a job after its work is done, and end the group's threads.

    gloo's threads need the interpreter to release the tensors of the last communication. If a
    process exits before that, they abort it. Only the destructor of the group waits for them. Call
    this when no process waits for another one, and no exception refers to the run.
    """
    if is_distributed():
        group = torch.distributed.group.WORLD
        torch.distributed.destroy_process_group()
        gc.collect()  # DDP refers to the group too, from reference cycles of runner and hooks
        del group  # the last reference, so that the destructor runs without the GIL
