"""Wide-ResNets that look like ours and are not: recognised, to say why they are refused."""

import re
from collections.abc import Callable, Iterable, Mapping

from torch import Tensor

# The first that holds is told. Each is a test of the keys, and what the network is.
_SIGNS: list[tuple[Callable[[Iterable[str]], bool], str]] = [
    (
        lambda keys: _any(keys, r'(attacker|normalizer)\.'),
        "the wrapper of MadryLab's robustness package, which holds the network twice beside its "
        'attacker; save the state dict of its `model.model` alone',
    ),
    (
        lambda keys: _any(keys, r'.*/(kernel|gamma|moving_mean)(:0)?$'),
        'a TensorFlow network, such as of uncertainty-baselines, which pads as TensorFlow does '
        "('same') and takes the shortcut from the unactivated input; no network here computes that",
    ),
    (
        lambda keys: (
            {'layer1.0.shortcut.0.weight', 'layer1.0.conv1.bias', 'linear.weight'} <= set(keys)
        ),
        "meliketoy's, whose shortcut takes the unactivated input, whose convolutions have biases, "
        'and whose stride is in the second one; no network here computes that',
    ),
    (
        lambda keys: _any(keys, r'conv1\.[03]\.weight$') and _any(keys, r'layer1\.0\.conv1'),
        'a ResNet with a stem of three convolutions, not a Wide-ResNet',
    ),
]


def rejection_reason(state_dict: Mapping[str, Tensor]) -> str | None:
    """Tell what a state dict is that is known, but no network of this package.

    Args:
        state_dict: The weights, without the prefixes of wrappers.

    Returns:
        What the network is and why it is refused; None if it is not known.
    """
    return next((reason for holds, reason in _SIGNS if holds(state_dict.keys())), None)


def _any(keys: Iterable[str], pattern: str) -> bool:
    return any(re.match(pattern, key) for key in keys)
