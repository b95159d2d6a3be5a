"""Options of a network that change what it computes, but no key and no shape of its weights."""

from collections.abc import Mapping
from typing import Any

from wrn.errors import CheckpointError

# Those of OpenMMLab's ResNet, with their defaults.
_OPTIONS: dict[str, Any] = dict(
    style='pytorch',
    strides=[1, 2, 2, 2],
    dilations=[1, 1, 1, 1],
    conv_cfg=None,
    norm_cfg=dict(type='BN'),
)
_NETWORKS = ('ResNet', 'WideResNet')


def check_options(trained: Mapping[str, Any], model: Mapping[str, Any], source: str) -> None:
    """Check that weights were trained with the options of the model that is to have them.

    Args:
        trained: The config of the model that they were trained as, from their file.
        model: The config of the model.
        source: The name of the file, for messages.

    Raises:
        CheckpointError: If not.
    """
    theirs, ours = (config.get('backbone') or {} for config in (trained, model))
    if not isinstance(theirs, Mapping) or _kind(theirs) not in _NETWORKS:
        return
    for option in _OPTIONS:
        was, now = _value(theirs, option), _value(ours, option)
        if was != now:
            raise CheckpointError(
                f'{source}: the weights were trained with {option}={was!r}, which gives them '
                f'another meaning than {now!r} of the network here; give the config that they '
                'were trained with'
            )


def _kind(backbone: Mapping[str, Any]) -> str:
    return str(backbone.get('type')).rpartition('.')[2]


def _value(backbone: Mapping[str, Any], option: str) -> Any:
    value = backbone.get(option, _OPTIONS[option])
    if isinstance(value, Mapping):
        value = {key: item for key, item in value.items() if key != 'requires_grad'}
        # Over several processes it computes the same.
        value.update(type=str(value.get('type')).removeprefix('Sync'))
    return list(value) if isinstance(value, tuple) else value
