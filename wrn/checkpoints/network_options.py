"""Options of a network that change what it computes, but no key and no shape of its weights."""

from collections.abc import Mapping
from typing import Any

from wrn.utils.errors import CheckpointError

# Those of each network, with their defaults.
_RESNET: dict[str, Any] = dict(
    style='pytorch',
    strides=[1, 2, 2, 2],
    dilations=[1, 1, 1, 1],
    conv_cfg=None,
    norm_cfg=dict(type='BN'),
)
_CIFAR: dict[str, Any] = dict(
    num_stages=3,
    kernel_sizes=[3, 3],
    strides=[1, 2, 2],
    activate_before_residual=True,
    conv_cfg=None,
    norm_cfg=dict(type='BN'),
    last_norm_cfg=None,
    act_cfg=dict(type='ReLU'),
)
# Those that a file's config may name for convolutions, norms and activations.
_TYPES = {'Conv2d', 'Conv2dAdaptivePadding', 'BN', 'SyncBN', 'GN', 'ReLU', 'LeakyReLU', 'SiLU'}
_TYPES |= {'Swish', 'GELU', 'ELU', 'Mish', 'HSwish', 'BN2d', 'MMSyncBN'}
# Names of what computes the same, and defaults that a config need not say.
_SYNONYMS = {'SyncBN': 'BN', 'MMSyncBN': 'BN', 'BN2d': 'BN', 'Swish': 'SiLU'}
_DEFAULTS = {'BN': dict(eps=1e-5), 'LeakyReLU': dict(negative_slope=0.01)}
_OPTIONS = dict(ResNet=_RESNET, WideResNet=_RESNET, WideResNetCIFAR=_CIFAR)
# What changes only how a network is trained, or how its memory is used.
_HARMLESS = ('requires_grad', 'inplace', 'momentum')


def check_options(theirs: Any, ours: Mapping[str, Any], source: str) -> None:
    """Check that weights were trained with the options of the network that is to have them.

    Args:
        theirs: The config of the backbone that they were trained as, from their file or as their
            format means it. Of other types than this package's networks nothing is checked.
        ours: The config of the backbone.
        source: The name of the file, for messages.

    Raises:
        CheckpointError: If not.
    """
    if isinstance(theirs, Mapping) and theirs.get('act_cfg', '') is None and 'act_cfg' not in ours:
        raise CheckpointError(
            f"{source}: the weights do not tell their activation; set act_cfg in the backbone's "
            "config, in RobustBench it is dict(type='SiLU')"
        )
    if difference := find_difference(theirs, ours):
        option, was, now = difference
        raise CheckpointError(
            f'{source}: the weights were trained with {option}={was!r}, which gives them another '
            f'meaning than {now!r} of the network here; give the config that they were trained with'
        )


def find_difference(theirs: Any, ours: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """Find an option that two backbones do not share; what is not known is not compared.

    Args:
        theirs: The config of a backbone. Of other types than this package's networks nothing is
            compared.
        ours: The config of the other.

    Returns:
        The option and its two values; None if there is none.
    """
    if not isinstance(theirs, Mapping) or _kind(theirs) not in _OPTIONS:
        return None
    for option, default in _OPTIONS[_kind(theirs)].items():
        values = [_value(config, option, default) for config in (theirs, ours)]
        if values[0] != values[1] and not (option == 'act_cfg' and values[0] is None):
            return option, values[0], values[1]
    return None


def read_options(backbone: Any, source: str) -> dict[str, Any]:
    """Take the options of a network for 32x32 pixels from a config that came with weights.

    Args:
        backbone: The config of the backbone. Of another network there are no options to take.
        source: The name of the file, for messages.

    Returns:
        The options, which may be built: mmengine would import whatever a type names.

    Raises:
        CheckpointError: If a type is not among those that are known.
    """
    if not isinstance(backbone, Mapping) or _kind(backbone) != 'WideResNetCIFAR':
        return {}
    options = {option: backbone[option] for option in _CIFAR if option in backbone}
    for option, value in options.items():
        if (
            option.endswith('_cfg')
            and isinstance(value, Mapping)
            and value.get('type') not in _TYPES
        ):
            raise CheckpointError(
                f'{source}: the config in it has {option}={dict(value)}, whose type is not known '
                'here; give the config that the weights were trained with'
            )
    return options


def _kind(backbone: Mapping[str, Any]) -> str:
    return str(backbone.get('type')).rpartition('.')[2]


def _value(backbone: Mapping[str, Any], option: str, default: Any) -> Any:
    """Return an option in the form in which it can be compared."""
    value = backbone.get(option, default)
    if option == 'last_norm_cfg' and value is None:
        return _value(backbone, 'norm_cfg', dict(type='BN'))
    if isinstance(value, Mapping):
        value = {key: item for key, item in value.items() if key not in _HARMLESS}
        kind = str(value.get('type'))
        value.update(type=_SYNONYMS.get(kind, kind))
        value = {**_DEFAULTS.get(value['type'], {}), **value}
        return None if value == dict(type='Conv2d') else value
    if option == 'activate_before_residual' and isinstance(value, list | tuple):
        value = value[0] if value and all(item == value[0] for item in value) else value
    return list(value) if isinstance(value, tuple) else value
