"""Wide-ResNets that look like ours and are not: recognised, to say why they are refused."""

import re
from collections.abc import Callable, Iterable, Mapping

from torch import Tensor

_NOT_HERE = 'a network for 32x32 pixels, which this package does not have yet'

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
        lambda keys: _any(keys, r'block1\.layer\.0\.') and _any(keys, r'classifier\.'),
        "USB's (semilearn), in whose groups 2 and 3 the unactivated input enters the first "
        'convolution; no network here computes that',
    ),
    (
        lambda keys: _any(keys, r'block1\.layer\.0\.conv1\.bias$'),
        f"TorchSSL's, {_NOT_HERE}",
    ),
    (
        lambda keys: _any(keys, r'block1\.layer\.0\.'),
        f'of the xternalz/WideResNet-pytorch family (TRADES, RobustBench), {_NOT_HERE}',
    ),
    (
        lambda keys: _any(keys, r'layer\.0\.block\.0\.') and 'init_conv.weight' in keys,
        f"RobustBench's DMWideResNet, {_NOT_HERE}",
    ),
    (
        lambda keys: _any(keys, r'group0\.block0\.(conv0|bn0\.weight)$'),
        f"the authors' functional one for CIFAR, {_NOT_HERE}",
    ),
    (
        lambda keys: _any(keys, r'conv1\.[03]\.weight$') and _any(keys, r'layer1\.0\.conv1'),
        'a ResNet with a stem of three convolutions, not a Wide-ResNet',
    ),
]


def why_refused(state_dict: Mapping[str, Tensor]) -> str | None:
    """Tell what a state dict is that is known, but no network of this package.

    Args:
        state_dict: The weights, without the prefixes of wrappers.

    Returns:
        What the network is and why it is refused; None if it is not known.
    """
    return next((reason for holds, reason in _SIGNS if holds(state_dict.keys())), None)


def _any(keys: Iterable[str], pattern: str) -> bool:
    return any(re.match(pattern, key) for key in keys)
