"""The device of a run, if the user chose one; mmengine takes the accelerator of the machine."""

from contextlib import AbstractContextManager, nullcontext

import torch
from mmengine.config import Config
from mmengine.device import get_device

from wrn.utils.devices import check_device
from wrn_base.errors import WrnError


def set_device(cfg: Config, device: str) -> None:
    """Let a run compute on a device.

    Args:
        cfg: The config, with its ``launcher``. Its ``device`` is set.
        device: The device, such as ``'cpu'``, ``'cuda'`` or ``'cuda:1'``.

    Raises:
        WrnError: If there is no such device, or the run cannot choose its device.
    """
    check_device(device)
    if device == get_device():  # the default, which every runner and launcher takes
        cfg.device = device
        return
    if cfg.get('launcher', 'none') != 'none':
        raise WrnError(
            f'--device {device}: each process of a job takes its own {get_device()} device; leave '
            'out --device, or --launcher'
        )
    if 'runner_type' in cfg:
        raise WrnError(
            f'--device {device}: {cfg.runner_type} chooses the device itself; leave --device out'
        )
    if cfg.model.get('type') == 'ExportedClassifier':
        cfg.model.device = device  # its runtime is built for a device
    cfg.device = device


def get_run_device(cfg: Config) -> str:
    """Return the device of a run."""
    return cfg.get('device') or get_device()


def current_device(device: str) -> AbstractContextManager[None]:
    """Make a GPU the current one within a block: random numbers and memory are those of that."""
    where = torch.device(device)
    if where.type == 'cuda' and where.index is not None:
        return torch.cuda.device(where)
    return nullcontext()
