"""Post-training quantization to 8 bits with NNCF."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from wrn.deploy.engines.engine import EngineError
from wrn.utils.packages import missing_packages
from wrn.utils.quiet import quiet
from wrn.utils.silence import silence


def hold_out(images: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
    """Split images for calibration: every fourth is held out to verify the quantized network.

    Args:
        images: The images, ``(N, ...)``.

    Returns:
        The images that are held out, and a batch of each of the others. A single image is in both.
    """
    keep = torch.ones(len(images), dtype=torch.bool)
    keep[::4] = len(images) == 1
    return images[::4], images[keep].split(1)


def quantize(model: Any, calibration: Iterable[Tensor]) -> Any:
    """Quantize a network to int8 by the ranges of its activations on calibration images.

    Args:
        model: An ``openvino.Model``.
        calibration: Batches of inputs.

    Returns:
        The quantized model.

    Raises:
        EngineError: If NNCF is not installed, or there are no calibration inputs.
    """
    if missing := missing_packages('nncf'):
        raise EngineError(f'precision int8: {missing}')
    inputs = [batch.contiguous().numpy() for batch in calibration]
    if not inputs:
        raise EngineError(
            'precision int8: needs images for calibration; give a few hundred like those that '
            'the model will see with --calibration FOLDER'
        )
    with quiet(), silence():  # import messages and progress bars
        import nncf

        return nncf.quantize(model, nncf.Dataset(inputs), subset_size=len(inputs))
