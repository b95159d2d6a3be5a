"""Wide-ResNets that no network here computes. They are detected to report why."""

import re
from collections.abc import Mapping

from torch import Tensor

# Each network, by patterns. Each pattern must match the beginning of some key.
_NETWORKS: list[tuple[tuple[str, ...], str]] = [
    (
        (r'.*\.(weight_[guv]|parametrizations\..*)$',),
        'its weights are stored as the factors of weight or spectral normalization; call '
        "torch's remove_weight_norm, remove_spectral_norm or remove_parametrizations, and save it "
        'again',
    ),
    (
        (r'.*/(kernel|gamma|moving_mean)(:0)?$',),
        "a TensorFlow network, such as uncertainty-baselines', with 'same' padding and with "
        'shortcuts from the unactivated input; no network here computes that',
    ),
    (
        (r'layer\d\.0\.shortcut\.1\.', r'layer1\.0\.bn1\.'),
        "kuangliu's ResNet, whose shortcuts have norms and whose blocks begin with a convolution; "
        'it is not a Wide-ResNet',
    ),
    (
        (r'layer4\.0\.shortcut\.0\.', r'layer1\.0\.bn1\.'),
        "kuangliu's PreActResNet, which has four stages; no network here computes that",
    ),
    (
        (r'conv1\.[03]\.weight$', r'layer1\.0\.conv1'),
        'a ResNet with a stem of three convolutions, which is not a Wide-ResNet',
    ),
]


def rejection_reason(state_dict: Mapping[str, Tensor]) -> str | None:
    """Return the network of a state dict and why it is refused; None if it is not refused.

    Args:
        state_dict: The weights, without the prefixes of wrappers.
    """
    for patterns, reason in _NETWORKS:
        if all(any(re.match(pattern, key) for key in state_dict) for pattern in patterns):
            return reason
    return None
