"""Compare an engine with the network that it was built from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from wrn.deploy.engines.engine import EngineError, Forward
from wrn_base.errors import count

# The tolerated difference, relative to the largest output. Runtimes add in different orders, which
# changes the last of float32's 24 bits: 1e-5 was measured in networks of a hundred layers. GPUs
# round factors to TF32, which has 11 bits like float16; bfloat16 has 8. For int8, predictions are
# compared, and the bound only catches features that are nothing alike.
_TOLERANCES = {'float32': 1e-4, 'bfloat16': 5e-2, 'float16': 1e-2, 'int8': 0.25}
_MIN_AGREEMENT = 0.99
_BATCH_SIZE = 32


def find_tolerance(precision: str, device: torch.device) -> float:
    """Return the tolerated difference of outputs, relative to the largest output."""
    uses_tf32 = precision == 'float32' and device.type == 'cuda'
    return _TOLERANCES['float16' if uses_tf32 else precision]


@dataclass(frozen=True)
class Difference:
    """The difference between the outputs of an engine and those of the network.

    Attributes:
        maximum: The largest difference, relative to the largest output.
        agreement: The share of images with the same top-1 class; None for features.
        images: The number of images compared.
    """

    maximum: float
    agreement: float | None
    images: int

    def __str__(self) -> str:
        top1 = '' if self.agreement is None else f', top-1 agrees in {self.agreement:.2%}'
        images = count(self.images, 'image')
        return f'differs from eager by at most {self.maximum:.1e}{top1} ({images})'


def compare(
    engine: Forward,
    network: Forward,
    inputs: Tensor,
    has_head: bool = True,
    undecided: float = _TOLERANCES['float32'],
) -> Difference:
    """Compare the outputs of an engine with those of the network.

    Args:
        engine: The engine.
        network: The network, in eager mode.
        inputs: Normalized images, ``(N, C, H, W)``.
        has_head: Whether the outputs are logits, not features. Defaults to True.
        undecided: The margin within which classes count as tied for top-1, in the network's own
            logits and relative to the largest. Defaults to the tolerance of float32.

    Returns:
        The difference.
    """
    differences, sizes, same = [], [], 0
    for batch in inputs.split(_BATCH_SIZE):
        with torch.no_grad():
            expected, outputs = network(batch), engine(batch)
        pairs = list(zip(outputs, expected, strict=True))
        differences.append([(ours - theirs).abs().max().item() for ours, theirs in pairs])
        sizes.append([theirs.abs().max().item() for _, theirs in pairs])
        if has_head:
            theirs = expected[0]
            predicted = theirs.gather(1, outputs[0].argmax(1, keepdim=True))[:, 0]
            tied = theirs.max(1).values - predicted <= undecided * theirs.abs().max()
            same += int(tied.sum())
    # Each output has its own scale: features of one stage can be larger than those of another.
    relative = torch.tensor(differences).amax(0) / torch.tensor(sizes).amax(0).clamp(min=1e-6)
    return Difference(relative.max().item(), same / len(inputs) if has_head else None, len(inputs))


def check(difference: Difference, name: str, precision: str, tolerance: float) -> None:
    """Check that an engine computes the same as the network.

    Args:
        difference: The difference between their outputs.
        name: The option that selects the engine, for the message.
        precision: The precision of the engine.
        tolerance: The tolerated difference, relative to the largest output.

    Raises:
        EngineError: If the difference is larger, or the top-1 class of an image differs. In int8,
            the top-1 class of 1 % of the images may differ.
    """
    right = difference.maximum <= tolerance  # False for NaN
    if difference.agreement is not None:
        right = right and difference.agreement >= (_MIN_AGREEMENT if precision == 'int8' else 1)
    if not right:
        cure = 'use another backend or format'
        if precision == 'int8':
            cure = 'calibrate with other images'
        raise EngineError(f'{name}, {precision}: {difference}; {cure}')
