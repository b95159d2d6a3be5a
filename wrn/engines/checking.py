"""Compare an engine with the network that it was built from."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from wrn.engines.engine import EngineError

_Function = Callable[[Tensor], tuple[Tensor, ...]]

# By how much outputs may differ, as a share of the largest. Runtimes sum in other orders, which
# changes some of the last of float32's 24 bits: 1e-5 was seen in networks of a hundred layers.
# bfloat16 has 8 bits, float16 has 11.
# int8 is judged by what it predicts; the bound catches features that are nothing like them.
TOLERANCES = {'float32': 1e-4, 'bfloat16': 5e-2, 'float16': 1e-2, 'int8': 0.25}
AGREEMENT = 0.99


@dataclass(frozen=True)
class Difference:
    """What sets an engine's outputs apart from eager's.

    Attributes:
        maximum: The largest difference, as a share of the largest output.
        agreement: The share of the pictures whose best class is the same; None of features.
        pictures: How many pictures were compared.
    """

    maximum: float
    agreement: float | None
    pictures: int

    def __str__(self) -> str:
        same = '' if self.agreement is None else f', top-1 agrees in {self.agreement:.2%}'
        return f'differs from eager by {self.maximum:.1e} at most{same} ({self.pictures} pictures)'


def compare(
    engine: _Function, network: _Function, inputs: Tensor, scores: bool = True
) -> Difference:
    """Compare the outputs of an engine with those of the network.

    Args:
        engine: The engine.
        network: The network, which runs eagerly.
        inputs: Normalised pictures, ``(N, C, H, W)``.
        scores: Whether the outputs are the scores of classes, and not features. Defaults to True.

    Returns:
        The difference. Where the network itself is undecided between two classes by less than
        float32 is exact, both count as the best.
    """
    with torch.no_grad():  # what is made in inference mode would be compiled anew
        expected = network(inputs)
        outputs = engine(inputs)
    maximum = max(
        ((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-6)).item()
        for ours, theirs in zip(outputs, expected, strict=True)
    )
    agreement = None
    if scores:
        theirs = expected[0]
        chosen = theirs.gather(1, outputs[0].argmax(1, keepdim=True))[:, 0]
        best = theirs.max(1).values
        close = TOLERANCES['float32'] * theirs.abs().max()
        agreement = (best - chosen <= close).double().mean().item()
    return Difference(maximum, agreement, len(inputs))


def check(difference: Difference, what: str, precision: str) -> None:
    """Refuse an engine that does not compute what the network does.

    Args:
        difference: What sets its outputs apart.
        what: The option that asked for it, for the message.
        precision: What it computes in.

    Raises:
        EngineError: If it differs by more than its precision allows.
    """
    right = difference.maximum <= TOLERANCES[precision]
    if difference.agreement is not None:
        needed = AGREEMENT if precision == 'int8' else 1.0
        right = right and difference.agreement >= needed
    if not right:  # also where it is not a number
        cure = 'give more pictures with --calibration' if precision == 'int8' else 'take another'
        raise EngineError(f'{what}, {precision}: {difference}; {cure}')
