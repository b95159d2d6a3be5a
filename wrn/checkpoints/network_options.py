"""Options of a network that change what it computes, but not the keys or shapes of its weights."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from mmpretrain.models.backbones import ResNet

from wrn.models import WideResNetCIFAR
from wrn.utils.errors import CheckpointError


def _defaults(network: type, *options: str) -> dict[str, Any]:
    parameters = inspect.signature(network).parameters
    return {option: parameters[option].default for option in options}


_RESNET = _defaults(ResNet, 'style', 'strides', 'dilations', 'conv_cfg', 'norm_cfg')
_CIFAR = _defaults(
    WideResNetCIFAR,
    'num_stages',
    'kernel_sizes',
    'strides',
    'activate_before_residual',
    'conv_cfg',
    'norm_cfg',
    'last_norm_cfg',
    'act_cfg',
)
_OPTIONS = dict(ResNet=_RESNET, WideResNet=_RESNET, WideResNetCIFAR=_CIFAR)
# The types of convolutions, norms and activations that the config in a file may name.
_TYPES = {'Conv2d', 'Conv2dAdaptivePadding', 'BN', 'SyncBN', 'GN', 'ReLU', 'LeakyReLU', 'SiLU'}
_TYPES |= {'Swish', 'GELU', 'ELU', 'Mish', 'HSwish', 'BN2d', 'MMSyncBN'}
# Types that compute the same, and the arguments that a config need not state.
_SYNONYMS = {'SyncBN': 'BN', 'MMSyncBN': 'BN', 'BN2d': 'BN', 'Swish': 'SiLU'}
_ARGUMENTS = {'BN': dict(eps=1e-5), 'LeakyReLU': dict(negative_slope=0.01)}
_MAX_STRIDE = _MAX_STAGES = 9
# Arguments that affect only training or memory.
_HARMLESS = ('requires_grad', 'inplace', 'momentum')


def check_options(theirs: Any, ours: Mapping[str, Any], name: str) -> None:
    """Check that weights were trained with the options of the network to load them into.

    Args:
        theirs: The config of the backbone that they were trained with, from their file or implied
            by their format. Backbones that are not of this package are not checked.
        ours: The config of the backbone to load them into.
        name: The path or name of their file, for messages.

    Raises:
        CheckpointError: If an option differs.
    """
    if isinstance(theirs, Mapping) and theirs.get('act_cfg', '') is None and 'act_cfg' not in ours:
        raise CheckpointError(
            f"{name}: the activation is not in the file; set act_cfg in the backbone's config "
            "(dict(type='SiLU') for RobustBench)"
        )
    if difference := find_difference(theirs, ours):
        option, was, now = difference
        raise CheckpointError(
            f'{name}: the weights were trained with {option}={was!r}, but the model has {now!r}; '
            'give the config that they were trained with'
        )


def find_difference(theirs: Any, ours: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """Return the first option that differs between two backbones, and its two values.

    Args:
        theirs: The config of a backbone. Backbones that are not of this package and unknown
            activations are not compared.
        ours: The config of the other backbone.

    Returns:
        None if there is no difference.
    """
    if not isinstance(theirs, Mapping) or _kind(theirs) not in _OPTIONS:
        return None
    for option, default in _OPTIONS[_kind(theirs)].items():
        was, now = (_normalize(config, option, default) for config in (theirs, ours))
        if was != now and not (option == 'act_cfg' and was is None):
            return option, was, now
    return None


def read_options(backbone: Any, name: str) -> dict[str, Any]:
    """Return the options of a :class:`WideResNetCIFAR` from a config that came with weights.

    Args:
        backbone: The config of the backbone. Other backbones have no options to read.
        name: The path or name of the file, for messages.

    Returns:
        Options that are safe to build: mmengine would import whatever a type names.

    Raises:
        CheckpointError: If a type is unknown, or a value is out of its range.
    """
    if not isinstance(backbone, Mapping) or _kind(backbone) != 'WideResNetCIFAR':
        return {}
    options = {option: backbone[option] for option in _CIFAR if option in backbone}
    for option, value in options.items():
        problem = _find_problem(option, value)
        if problem:
            raise CheckpointError(
                f'{name}: the config in it has {option}={str(value)[:100]}, {problem}; give the '
                'config that the weights were trained with'
            )
    return options


def _find_problem(option: str, value: Any) -> str | None:
    """Return what is wrong with the value of an option that a file states."""
    if option.endswith('_cfg'):
        if isinstance(value, Mapping):
            if not isinstance(value.get('type'), str) or value['type'] not in _TYPES:
                return 'an unknown type'
            arguments = [item for key, item in value.items() if key != 'type']
            plain = all(isinstance(x, int | float) and abs(x) < 2**31 for x in arguments)
            return None if plain else 'with an argument that is not a usable number'
        return None if value is None else 'not a dict'
    if option == 'activate_before_residual':
        return None if _is_few(value, lambda item: isinstance(item, bool | str)) else 'not a bool'
    valid = _is_few(value, lambda item: type(item) is int and 0 < item <= _MAX_STRIDE)
    return None if valid else f'not a few numbers from 1 to {_MAX_STRIDE}'


def _is_few(value: Any, valid: Callable[[Any], bool]) -> bool:
    items = value if isinstance(value, list | tuple) else [value]
    return len(items) <= _MAX_STAGES and all(map(valid, items))


def _kind(backbone: Mapping[str, Any]) -> str:
    return str(backbone.get('type')).rpartition('.')[2]


def _normalize(backbone: Mapping[str, Any], option: str, default: Any) -> Any:
    """Return an option in a form that is equal for all spellings of one value."""
    value = backbone.get(option, default)
    if option == 'last_norm_cfg' and value is None:
        return _normalize(backbone, 'norm_cfg', _CIFAR['norm_cfg'])
    if isinstance(value, Mapping):
        value = {key: item for key, item in value.items() if key not in _HARMLESS}
        kind = str(value.get('type'))
        value.update(type=_SYNONYMS.get(kind, kind))
        value = {**_ARGUMENTS.get(value['type'], {}), **value}
        return None if value == dict(type='Conv2d') else value
    if option == 'activate_before_residual' and isinstance(value, list | tuple):
        value = value[0] if value and all(item == value[0] for item in value) else value
    return list(value) if isinstance(value, tuple) else value
