"""Compare an engine with the network that it was built from."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from wrn.deploy.engines.engine import EngineError

_Function = Callable[[Tensor], tuple[Tensor, ...]]

# By how much outputs may differ, as a share of the largest. Runtimes sum in other orders, which
# changes some of the last of float32's 24 bits: 1e-5 was seen in networks of a hundred layers. GPUs
# round the factors to the 11 bits of TF32, as many as float16 has; bfloat16 has 8. int8 is judged
# by what it predicts; its bound catches features that are nothing like them.
_TOLERANCES = {'float32': 1e-4, 'bfloat16': 5e-2, 'float16': 1e-2, 'int8': 0.25}
_AGREEMENT = 0.99
_AT_A_TIME = 32  # pictures


def find_tolerance(precision: str, device: torch.device) -> float:
    """Return by how much outputs may differ, as a share of the largest."""
    rounded = precision == 'float32' and device.type == 'cuda'
    return _TOLERANCES['float16' if rounded else precision]


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
    engine: _Function,
    network: _Function,
    inputs: Tensor,
    scores: bool = True,
    undecided: float = _TOLERANCES['float32'],
) -> Difference:
    """Compare the outputs of an engine with those of the network.

    Args:
        engine: The engine.
        network: The network, which runs eagerly.
        inputs: Normalised pictures, ``(N, C, H, W)``.
        scores: Whether the outputs are the scores of classes, and not features. Defaults to True.
        undecided: By how much, as a share of the largest, the network's own score of another class
            may be below the best for both to count as the best. Defaults to what float32 is exact
            to.

    Returns:
        The difference.
    """
    differences, sizes, same = [], [], 0
    for part in inputs.split(_AT_A_TIME):
        with torch.no_grad():
            expected, outputs = network(part), engine(part)
        pairs = list(zip(outputs, expected, strict=True))
        differences.append([(ours - theirs).abs().max().item() for ours, theirs in pairs])
        sizes.append([theirs.abs().max().item() for _, theirs in pairs])
        if scores:
            theirs = expected[0]
            chosen = theirs.gather(1, outputs[0].argmax(1, keepdim=True))[:, 0]
            close = theirs.max(1).values - chosen <= undecided * theirs.abs().max()
            same += int(close.sum())
    # Of each output by itself, for features of one stage are larger than those of another.
    shares = torch.tensor(differences).amax(0) / torch.tensor(sizes).amax(0).clamp(min=1e-6)
    return Difference(shares.max().item(), same / len(inputs) if scores else None, len(inputs))


def check(difference: Difference, what: str, precision: str, tolerance: float) -> None:
    """Refuse an engine that does not compute what the network does.

    Args:
        difference: What sets its outputs apart.
        what: The option that asks for it, for the message.
        precision: What it computes in.
        tolerance: By how much outputs may differ, as a share of the largest.

    Raises:
        EngineError: If it differs by more than that, or in the best class of a picture; in int8
            the best class may be another one of 1 % of the pictures.
    """
    right = difference.maximum <= tolerance  # which is false of what is not a number, too
    if difference.agreement is not None:
        right = right and difference.agreement >= (_AGREEMENT if precision == 'int8' else 1)
    if not right:
        cure = 'calibrate with other pictures' if precision == 'int8' else 'take another'
        raise EngineError(f'{what}, {precision}: {difference}; {cure}')
