"""The device of a run or a model."""

import torch

from wrn_base.errors import WrnError


def check_device(device: str) -> None:
    """Check that tensors can be made on a device.

    Args:
        device: The device, such as ``'cpu'`` or ``'cuda:1'``.

    Raises:
        WrnError: If there is no such device.
    """
    try:
        torch.device(device)
    except RuntimeError as error:  # its text lists all that torch was ever built for
        raise WrnError(
            f'--device {device}: not a device; give cpu, or an accelerator such as cuda or cuda:1'
        ) from error
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise WrnError(
            f'--device {device}: unavailable ({reason}); choose another, or see `wrn doctor`'
        ) from error
