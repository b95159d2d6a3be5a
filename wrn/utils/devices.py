"""The device of a run or a model."""

import torch
from mmengine.device import get_device

from wrn_base.errors import WrnError, count


def check_device(device: str) -> None:
    """Check that tensors can be made on a device.

    Args:
        device: The device, such as ``'cpu'`` or ``'cuda:1'``.

    Raises:
        WrnError: If there is no such device.
    """
    try:
        torch.device(device)
    except RuntimeError as error:  # torch lists the names of all that anyone has built
        raise WrnError(f'--device {device}: unknown; give {_list_devices()}') from error
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise WrnError(
            f'--device {device}: unavailable ({reason}); give {_list_devices()}'
        ) from error


def _list_devices() -> str:
    accelerator, number = get_device(), torch.cuda.device_count()
    if accelerator == 'cpu':
        return 'cpu; no GPU was found'
    if accelerator != 'cuda':
        return f'cpu or {accelerator}'
    last = f' to cuda:{number - 1}' if number > 1 else ''
    return f'cpu or cuda:0{last}; {count(number, "GPU")} found'
