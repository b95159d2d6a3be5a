"""What is assumed about weights, because their file does not state it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mmengine.config import Config

from wrn.checkpoints import Weights
from wrn.checkpoints.network_options import describe_options, find_differences, get_kind
from wrn.config.config_file import read_config, read_own_config
from wrn.config.config_parts import get_data_preprocessor, get_inner_model
from wrn_base.errors import CheckpointError, WrnError

_SHOWN, _LONGEST = 4, 100  # channels, and characters of a file's own values in messages
_PREPROCESSING = ('mean', 'std', 'to_rgb')


def assume_network(
    weights: Weights, config: Config, name: str, template: str | None = None
) -> None:
    """Add to the assumptions of weights what a config says of them and their file does not.

    Args:
        weights: The weights. Their keys and shapes fit.
        config: The config of the network to load them into.
        name: The path or name of their file, for messages.
        template: The name of a shipped config, which nobody wrote for these weights. Defaults to
            None: the caller's own config, of which only contradictions are reported.

    Raises:
        CheckpointError: If the config in the file has other options.
    """
    backbone = get_inner_model(config.model).get('backbone') or {}
    own = read_own_config(weights.meta)
    if not weights.meta.get('assumed'):  # by the conversion that wrote its config
        check_same(own, backbone, name)
    if differences := describe_differences(weights, backbone):
        weights.assumptions.append(differences if template else f'by the config {differences}')
    elif own is None and template:
        weights.assumptions.append(f'{describe_options(backbone)}{_give_reason(weights)}')
    values = get_preprocessing(config)
    used = _describe_normalization(values)
    if stated := weights.meta.get('normalization'):
        if not (_is_same(stated, values) or template):
            file = _describe_normalization(stated)
            weights.assumptions.append(f'{file} of the file, not {used} of the config')
    elif own and not _is_same(theirs := get_preprocessing(own), values):
        file = _describe_normalization(theirs)
        weights.assumptions.append(f'{used} of the config, not {file} of the file')
    elif own is None and (template or _is_shipped(config)):
        weights.assumptions.append(f'{used} for pixels from 0 to 255')


def describe_differences(
    weights: Weights, backbone: Mapping[str, Any], ignored: Collection[str] = ()
) -> str:
    """Describe the options of a network that differ from those of a file, for a message.

    Args:
        weights: The weights. Their keys and shapes fit.
        backbone: The config of the network's backbone.
        ignored: Options that may differ. Defaults to none.

    Returns:
        A list such as ``"act_cfg={'type': 'ReLU'}, not {'type': 'SiLU'}"``. The options of the file
        are those in its config, or else what is usual for its format. Empty if they are the same.
    """
    own = read_own_config(weights.meta)
    differences = find_differences(
        own.model.get('backbone') if own else weights.implied.backbone, backbone
    )
    shown = ['num_stages']  # by the keys, which fit
    if not any(key.endswith('running_var') for key in weights.state_dict):
        shown += ['norm_cfg', 'last_norm_cfg']
    listed = [
        f'{option}={now!r}, not {was!r}'
        for option, (was, now) in differences.items()
        if (own or option not in shown) and option not in ignored
    ]
    return ', '.join(listed) + _give_reason(weights) if listed else ''


def _give_reason(weights: Weights) -> str:
    return weights.implied.reason and f' ({weights.implied.reason})'


def check_same(own: Config | None, backbone: Mapping[str, Any], name: str) -> None:
    """Check that the config in a file has the options of the network to load the weights into.

    Args:
        own: The config in the file; None if it has none.
        backbone: The config of the network's backbone.
        name: The path or name of the file, for messages.

    Raises:
        CheckpointError: If an option differs.
    """
    theirs = own and own.model.get('backbone')
    for option, (was, now) in find_differences(theirs, backbone).items():
        raise CheckpointError(
            f'{name}: the weights were trained with {option}={was!r}, but the model has {now!r}; '
            'give the config that they were trained with'
        )


def read_normalization(meta: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the ``mean`` and ``std`` in the config of a checkpoint; None if it has none.

    Args:
        meta: The ``meta`` of the checkpoint.
    """
    own = read_own_config(meta)
    return get_normalization(own) if own else None


def get_normalization(config: Config) -> dict[str, Any] | None:
    """Return the ``mean`` and ``std`` in a config; None if it has none.

    Args:
        config: The config of a model.
    """
    values = get_preprocessing(config)
    found = {key: values.get(key) for key in ('mean', 'std')}
    return None if None in found.values() else found


def get_preprocessing(config: Config) -> dict[str, Any]:
    """Return the ``mean``, ``std`` and ``to_rgb`` in a config, as far as it has them.

    Args:
        config: The config of a model.
    """
    preprocessor = get_data_preprocessor(config)
    if not isinstance(preprocessor, Mapping):
        return {}
    return {key: preprocessor[key] for key in _PREPROCESSING if key in preprocessor}


def _describe_normalization(values: Mapping[str, Any]) -> str:
    mean, std = (values.get(key) for key in ('mean', 'std'))
    if not isinstance(mean, Sequence) or not isinstance(std, Sequence):
        return 'no normalization'
    return f'the mean {_format_numbers(mean)} and the std {_format_numbers(std)}'


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two normalizations are equal. One value is that of each channel."""
    pairs = [[values.get(key) or () for values in (one, other)] for key in ('mean', 'std')]
    return all([*a] == [*b] or len({*a, *b}) == 1 for a, b in pairs)


def _is_shipped(config: Config) -> bool:
    """Return whether a config has the normalization of CIFAR that the shipped ones have.

    A config that inherits from them has it, although many train on images from 0 to 1.
    """
    if get_kind(get_inner_model(config.model).get('backbone') or {}) != 'WideResNetCIFAR':
        return False
    names = (f'configs/wrn/wide-resnet28-10_8xb16_cifar{n}.py' for n in (10, 100))
    values = get_preprocessing(config)
    return any(_is_same(get_preprocessing(read_config(name)), values) for name in names)


def _format_numbers(values: Sequence[Any]) -> str:
    numbers = (f'{v:g}' if isinstance(v, int | float) else repr(v) for v in values[:_SHOWN])
    return ', '.join(numbers)[:_LONGEST]


def check_scale(std: Sequence[float] | None, option: str) -> None:
    """Check that a std is for pixels from 0 to 255.

    Args:
        std: The std that a caller gives. None if there is none.
        option: The name of the option, for the message.

    Raises:
        WrnError: If it is at most 1, as for images from 0 to 1.
    """
    if std is not None and 0 < max(std) <= 1:
        raise WrnError(
            f'{option}={[*std]}: is for images from 0 to 1; multiply mean and std by 255, as they '
            'are for pixels from 0 to 255'
        )
