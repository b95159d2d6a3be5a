"""Load the model that a command runs."""

import warnings
from argparse import Namespace
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.model import BaseModel

from wrn.errors import RandomWeightsWarning, WrnError
from wrn.hub import get_model


def load_model(args: Namespace, **kwargs: Any) -> BaseModel:
    """Load the model that ``--model``, ``--checkpoint`` and ``--device`` name.

    Args:
        args: The arguments.
        **kwargs: Others of :func:`wrn.get_model`.

    Returns:
        The model.

    Raises:
        WrnError: If it cannot be had, or its weights would be random.
    """
    device = args.device or get_device()
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise WrnError(f'--device {device}: cannot be used here ({reason})') from error
    with warnings.catch_warnings():
        warnings.simplefilter('error', RandomWeightsWarning)
        try:
            return get_model(args.model, args.checkpoint or True, device, **kwargs)
        except RandomWeightsWarning as warning:
            cure = '' if args.checkpoint else '; give weights with --checkpoint'
            raise WrnError(f'{args.model}: {warning}{cure}') from None
