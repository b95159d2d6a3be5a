"""Post-training quantisation to 8 bits, by NNCF."""

import contextlib
import io
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from wrn.engines.engine import EngineError
from wrn.engines.source import quiet


def hold_out(pictures: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
    """Hold out every fifth picture from calibration, to compare with.

    Args:
        pictures: Inputs, N of them along the first axis.

    Returns:
        Those that are held out, and the others one by one; of fewer than five, the first
        is both.
    """
    keep = torch.ones(len(pictures), dtype=torch.bool)
    keep[::5] = len(pictures) < 5
    return pictures[::5], pictures[keep].split(1)


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
    if find_spec('nncf') is None:
        raise EngineError(
            "--precision int8: nncf is not installed; pip install 'mmpretrain-wrn[openvino]'"
        )
    inputs = [part.contiguous().numpy() for part in calibration]
    if not inputs:
        raise EngineError(
            '--precision int8: needs pictures to calibrate with; give some hundred of those that '
            'it will be used on with --calibration FOLDER'
        )
    with quiet(), contextlib.redirect_stdout(io.StringIO()):  # of the imports, and its progress
        import nncf

        return nncf.quantize(network, nncf.Dataset(inputs), subset_size=len(inputs))
