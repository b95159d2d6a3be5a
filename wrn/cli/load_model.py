"""The model that a command is to use."""

import warnings
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.model import BaseModel

from wrn.utils.errors import RandomWeightsWarning, WrnError
from wrn.zoo.factory import get_model


def load_model(
    model: str, checkpoint: str | None, device: str | None = None, **engine: Any
) -> BaseModel:
    """Load a model that has weights.

    Args:
        model: What :func:`wrn.get_model` takes.
        checkpoint: The path or URL of weights; None for the model's own.
        device: Where to put it. Defaults to None, the accelerator if there is one.
        **engine: What runs it, as for :func:`wrn.get_model`.

    Returns:
        The model.

    Raises:
        WrnError: If it cannot be had, there are no weights, or the device cannot be used.
    """
    device = device or get_device()
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise WrnError(f'--device {device}: cannot be used here ({reason})') from error
    with warnings.catch_warnings():
        warnings.simplefilter('error', RandomWeightsWarning)
        try:
            return get_model(model, checkpoint or True, device, **engine)
        except RandomWeightsWarning as warning:
            cure = '' if checkpoint else '; give weights with --checkpoint'
            raise WrnError(f'{model}: {warning}{cure}') from None
