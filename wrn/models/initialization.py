"""Initialize networks when they are built."""

from typing import Any

from mmengine.model import BaseModule
from mmengine.model import initialize as apply_init_cfg
from torch import nn


def initialize(network: BaseModule) -> None:
    """Draw weights by the ``init_cfg`` of a network and of its submodules.

    Weights have the distribution that ``init_weights`` gives them. Unlike ``init_weights``, this
    loads no file, logs nothing, and leaves the network uninitialized for mmengine's runner, which
    calls ``init_weights`` after it has set the seed.

    Args:
        network: The network, or its head.
    """
    for module in network.modules():
        for cfg in _get_init_cfgs(module):
            if is_file(cfg):
                cfg['type'] = 'Pretrained'  # a class would be mmengine's, not the registered one
            else:
                apply_init_cfg(module, cfg)


def loads_file(network: BaseModule) -> bool:
    """Return whether the ``init_cfg`` of a network loads a file of weights.

    Args:
        network: The network.
    """
    return any(map(is_file, _get_init_cfgs(network)))


def is_file(value: Any) -> bool:
    """Return whether a value in a config is an ``init_cfg`` that loads a file of weights.

    Args:
        value: Any value. The type of an ``init_cfg`` may be a name with or without its module, or
            mmengine's class.
    """
    return (
        isinstance(value, dict) and 'checkpoint' in value and 'Pretrained' in str(value.get('type'))
    )


def _get_init_cfgs(module: nn.Module) -> list[dict[str, Any]]:
    given = getattr(module, 'init_cfg', None) or []
    return [given] if isinstance(given, dict) else given
