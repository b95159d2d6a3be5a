"""Start the processes of a distributed job where mmengine cannot: without a GPU."""

import os
import subprocess
from datetime import timedelta

import torch
from mmengine.config import Config

_VARIABLES = {
    'slurm': dict(RANK='SLURM_PROCID', WORLD_SIZE='SLURM_NTASKS', LOCAL_RANK='SLURM_LOCALID'),
    'mpi': dict(
        RANK='OMPI_COMM_WORLD_RANK',
        WORLD_SIZE='OMPI_COMM_WORLD_SIZE',
        LOCAL_RANK='OMPI_COMM_WORLD_LOCAL_RANK',
    ),
}


def init_distributed(cfg: Config) -> None:
    """Join the process group of a job, with gloo, if there is no accelerator.

    mmengine 0.10 calls ``torch.cuda.set_device`` whatever the backend, and gives DDP a device id.
    It leaves both alone if the group exists already and ``model_wrapper_cfg`` is set. With an
    accelerator this does nothing, and mmengine joins with the config's backend.

    Args:
        cfg: The config, whose ``launcher`` is ``'none'``, ``'pytorch'``, ``'slurm'`` or
            ``'mpi'``; its ``model_wrapper_cfg`` is set.
    """
    if cfg.launcher == 'none' or torch.accelerator.is_available():
        return
    for variable, source in _VARIABLES.get(cfg.launcher, {}).items():
        os.environ[variable] = os.environ[source]
    if cfg.launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
        hosts = subprocess.check_output(
            ['scontrol', 'show', 'hostnames', os.environ['SLURM_NODELIST']], text=True
        )
        os.environ['MASTER_ADDR'] = hosts.split()[0]
    os.environ.setdefault('MASTER_PORT', '29500')
    timeout = cfg.get('env_cfg', {}).get('dist_cfg', {}).get('timeout')
    torch.distributed.init_process_group(
        'gloo', timeout=timedelta(seconds=timeout) if timeout else None
    )
    defaults = dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    cfg.model_wrapper_cfg = {**defaults, **cfg.get('model_wrapper_cfg', {}), 'device_ids': None}
