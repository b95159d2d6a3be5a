"""Post-training quantisation to 8 bits, by NNCF."""

import contextlib
import io
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from wrn.deploy.engines.engine import EngineError
from wrn.deploy.engines.graph import quiet
from wrn.utils.packages import missing_packages


def hold_out(pictures: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
    """Hold out every fourth picture from calibration, to compare with.

    Args:
        pictures: Inputs, N of them along the first axis.

    Returns:
        Those that are held out, and the others one by one; a single one is both.
    """
    keep = torch.ones(len(pictures), dtype=torch.bool)
    keep[::4] = len(pictures) == 1
    return pictures[::4], pictures[keep].split(1)


def quantize(network: Any, calibration: Iterable[Tensor]) -> Any:
    """Let a network compute in int8, with the ranges that its features have on some pictures.

    Args:
        network: An ``openvino.Model``.
        calibration: Inputs as it takes them, a batch each.

    Returns:
        The network that is quantised.

    Raises:
        EngineError: If NNCF is not installed, or there are no inputs.
    """
    if lacking := missing_packages('nncf'):
        raise EngineError(f'precision int8: {lacking}')
    inputs = [part.contiguous().numpy() for part in calibration]
    if not inputs:
        raise EngineError(
            'precision int8: needs pictures to calibrate with; give some hundred of those that '
            'it will be used on with --calibration FOLDER'
        )
    with quiet(), contextlib.redirect_stdout(io.StringIO()):  # of the imports, and its progress
        import nncf

        return nncf.quantize(network, nncf.Dataset(inputs), subset_size=len(inputs))
