"""Post-training quantisation to 8 bits, by NNCF."""

import contextlib
import io
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from torch import Tensor

from wrn.engines.engine import EngineError
from wrn.engines.source import quiet


def quantize(network: Any, calibration: Iterable[Tensor]) -> Any:
    """Let a network compute in int8, with the ranges that its features have on some pictures.

    Args:
        network: An ``openvino.Model``.
        calibration: Inputs, each ``(N, C, H, W)``.

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
