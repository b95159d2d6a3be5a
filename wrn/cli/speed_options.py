"""Apply the options of ``wrn train``, ``finetune`` and ``test`` that determine a step's speed."""

import argparse
from collections.abc import Callable

from mmengine.config import Config

from wrn.config.config_errors import config_errors
from wrn.training import speed

_APPLY: dict[str, Callable[[Config, bool | None], None]] = {
    'channels_last': speed.set_channels_last,
    'compile': speed.set_compile,
    'tf32': speed.set_tf32,
    'cudnn_benchmark': speed.set_cudnn_benchmark,
    'fused': speed.set_fused,
    'sync_bn': speed.set_sync_bn,
}


def apply_speed_options(cfg: Config, args: argparse.Namespace) -> None:
    """Apply the options to a config. Without a value, the default is used.

    Args:
        cfg: The config, which is changed.
        args: The arguments.

    Raises:
        WrnError: If the network or the optimizer does not support an option.
    """
    with config_errors(cfg.filename):
        for name, apply in _APPLY.items():
            if name in args:
                apply(cfg, getattr(args, name))
