"""Initialize networks when they are built."""

from mmengine.model import BaseModule
from mmengine.model import initialize as apply_init_cfg
from mmengine.model.weight_init import PretrainedInit


def initialize(network: BaseModule) -> None:
    """Draw weights by the ``init_cfg`` of a network and of its submodules.

    Weights have the distribution that ``init_weights`` gives them. Unlike ``init_weights``, this
    loads no file, logs nothing, and leaves the network uninitialized for mmengine's runner, which
    calls ``init_weights`` after it has set the seed.

    Args:
        network: The network, or its head.
    """
    for module in network.modules():
        init_cfg = getattr(module, 'init_cfg', None) or []
        for cfg in [init_cfg] if isinstance(init_cfg, dict) else init_cfg:
            if cfg['type'] not in ('Pretrained', PretrainedInit):
                apply_init_cfg(module, cfg)
