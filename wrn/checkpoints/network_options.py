"""Options of a network that change what it computes, but not the keys or shapes of its weights."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from mmpretrain.models.backbones import ResNet
from torch import nn

from wrn.models import WideResNet, WideResNetCIFAR
from wrn_base.errors import CheckpointError


def _defaults(network: type, *options: str) -> dict[str, Any]:
    parameters = inspect.signature(network).parameters
    return {option: parameters[option].default for option in options}


_RESNET = _defaults(ResNet, 'style', 'strides', 'dilations', 'conv_cfg', 'norm_cfg')
_RESNET |= _defaults(WideResNet, 'act_cfg', 'contract_dilation')
_CIFAR = _defaults(
    WideResNetCIFAR,
    'num_stages',
    'kernel_sizes',
    'strides',
    'strided_conv',
    'activate_before_residual',
    'activate_shortcut',
    'conv_cfg',
    'norm_cfg',
    'last_norm_cfg',
    'act_cfg',
)
OPTIONS = dict(ResNet=_RESNET, WideResNet=_RESNET, WideResNetCIFAR=_CIFAR)
"""The options that :func:`find_differences` compares, with their defaults, by the class."""
# The types of convolutions, norms and activations that the config in a file may name.
_TYPES = {'Conv2d', 'Conv2dAdaptivePadding', 'BN', 'SyncBN', 'GN', 'ReLU', 'LeakyReLU', 'SiLU'}
_TYPES |= {'Swish', 'GELU', 'ELU', 'HSwish', 'BN2d', 'MMSyncBN'}
# Types that compute the same, and the arguments that a config need not state.
_SYNONYMS = dict.fromkeys(('SyncBN', 'MMSyncBN', 'BN2d', 'BatchNorm2d', 'FrozenBatchNorm2d'), 'BN')
_SYNONYMS |= {'Swish': 'SiLU'}
_ARGUMENTS = {'BN': dict(eps=1e-5), 'LeakyReLU': dict(negative_slope=0.01)}
_MAX_STRIDE = _MAX_STAGES = 9
_CHOICES: dict[str, tuple[Any, ...]] = {
    'style': ('pytorch', 'caffe'),
    'contract_dilation': (True, False),
    'strided_conv': ('first', 'last'),
    'activate_before_residual': (True, False),
    'activate_shortcut': (True, False),
}
# Arguments that affect only training or memory.
_HARMLESS = ('requires_grad', 'inplace', 'momentum')


def get_kind(part: Mapping[str, Any]) -> str:
    """Return the name of the class of a part of a network, without its scope or module.

    Args:
        part: The config of the part, such as a backbone or a norm.
    """
    kind = part.get('type')
    return kind.__name__ if isinstance(kind, type) else str(kind).rpartition('.')[2]


def get_options(backbone: nn.Module) -> dict[str, Any]:
    """Return the options of a built network, as its config would state them.

    Args:
        backbone: The network. One of another package has only those that it keeps.
    """
    kind = type(backbone).__name__
    known = OPTIONS.get(kind, _RESNET)
    return dict(type=kind) | {k: getattr(backbone, k) for k in known if hasattr(backbone, k)}


def find_differences(theirs: Any, ours: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the two values of each option that differs between two backbones.

    Args:
        theirs: The config of a backbone. Backbones that are not of this package are not compared.
        ours: The config of the other backbone.
    """
    if not isinstance(theirs, Mapping):
        return {}
    values = {
        option: tuple(_normalize(config, option, default) for config in (theirs, ours))
        for option, default in OPTIONS.get(get_kind(theirs), {}).items()
    }
    return {option: (was, now) for option, (was, now) in values.items() if was != now}


def describe_options(backbone: Mapping[str, Any]) -> str:
    """Describe the options of a network that its weights do not show, for a message.

    Args:
        backbone: The config of the backbone.

    Returns:
        A list such as ``'the activation ReLU, batch norm with epsilon 1e-05'``.
    """
    kind = get_kind(backbone)
    values = {
        option: _normalize(backbone, option, default)
        for option, default in OPTIONS.get(kind, _RESNET).items()
    }
    norm, last = (values.get(option) for option in ('norm_cfg', 'last_norm_cfg'))
    parts = [
        f'the activation {_format_layer(values["act_cfg"])}',
        f'the norm {_format_layer(norm)}',
    ]
    if kind != 'WideResNetCIFAR':
        where = '3x3' if values['style'] == 'pytorch' else 'first'
        parts.append(f'the stride in the {where} convolutions')
        return ', '.join(parts)
    if last != norm:
        parts.append(f'the last norm {_format_layer(last)}')
    if values['conv_cfg']:
        parts.append(f'the convolutions {_format_layer(values["conv_cfg"])}')
    parts.append(f'strides {", ".join(map(str, values["strides"]))}')
    for option in ('strided_conv', 'activate_before_residual', 'activate_shortcut'):
        if values[option] != _CIFAR[option]:
            parts.append(f'{option} {values[option]}')
    return ', '.join(parts)


def _format_layer(config: Mapping[str, Any] | None) -> str:
    if config is None:
        return 'none'
    arguments = ', '.join(f'{key}={value}' for key, value in config.items() if key != 'type')
    return f'{config.get("type")}({arguments})' if arguments else str(config.get('type'))


def read_options(backbone: Any, name: str) -> dict[str, Any]:
    """Return the options of a network from a config that came with weights.

    Args:
        backbone: The config of the backbone. Other backbones than those of this package have no
            options to read.
        name: The path or name of the file, for messages.

    Returns:
        Options that are safe to build: mmengine would import whatever a type names.

    Raises:
        CheckpointError: If a type is unknown, or a value is out of its range.
    """
    if not isinstance(backbone, Mapping):
        return {}
    known = OPTIONS.get(get_kind(backbone), {})
    options = {option: backbone[option] for option in known if option in backbone}
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
            usable = plain and value.get('num_groups', 1) >= 1
            return None if usable else 'with an argument that is not a usable number'
        return None if value is None else 'not a dict'
    if option in _CHOICES:
        return None if _is_few(value, lambda item: item in _CHOICES[option]) else 'an unknown value'
    valid = _is_few(value, lambda item: type(item) is int and 0 < item <= _MAX_STRIDE)
    return None if valid else f'not a few numbers from 1 to {_MAX_STRIDE}'


def _is_few(value: Any, valid: Callable[[Any], bool]) -> bool:
    items = value if isinstance(value, list | tuple) else [value]
    return len(items) <= _MAX_STAGES and all(map(valid, items))


def _normalize(backbone: Mapping[str, Any], option: str, default: Any) -> Any:
    """Return an option in a form that is equal for all spellings of one value."""
    value = backbone.get(option, default)
    if option == 'last_norm_cfg' and value is None:
        return _normalize(backbone, 'norm_cfg', _CIFAR['norm_cfg'])
    if isinstance(value, Mapping):
        value = {key: item for key, item in value.items() if key not in _HARMLESS}
        kind = get_kind(value)
        value.update(type=_SYNONYMS.get(kind, kind))
        value = {**_ARGUMENTS.get(value['type'], {}), **value}
        return None if value == dict(type='Conv2d') else value
    if option == 'activate_before_residual' and isinstance(value, list | tuple):
        value = value[0] if value and all(item == value[0] for item in value) else value
    return list(value) if isinstance(value, tuple) else value
