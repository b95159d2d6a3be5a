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
            if _is_file(cfg):
                cfg['type'] = 'Pretrained'  # a class would be mmengine's, not the registered one
            else:
                apply_init_cfg(module, drop_files(cfg))


def loads_file(network: BaseModule) -> bool:
    """Return whether the ``init_cfg`` of a network loads a file of weights.

    Args:
        network: The network.
    """
    init_cfgs = _get_init_cfgs(network)
    return drop_files(init_cfgs) != init_cfgs


def drop_files(part: Any) -> Any:
    """Return a part of a config without the files of first weights.

    Each is an ``init_cfg``, one of a list of them, or an ``override`` in one.

    Args:
        part: Any value of a config.
    """
    if isinstance(part, list | tuple):
        return type(part)(drop_files(value) for value in part if not _is_file(value))
    if isinstance(part, dict):
        return {key: drop_files(value) for key, value in part.items() if not _is_file(value)}
    return part


def _is_file(value: Any) -> bool:
    """Return whether a value is an ``init_cfg`` with a file, by a name, or by mmengine's class."""
    return (
        isinstance(value, dict) and 'checkpoint' in value and 'Pretrained' in str(value.get('type'))
    )


def _get_init_cfgs(module: nn.Module) -> list[dict[str, Any]]:
    given = getattr(module, 'init_cfg', None) or []
    return [given] if isinstance(given, dict) else given
