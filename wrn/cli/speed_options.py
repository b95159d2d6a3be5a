"""The options of ``wrn train``, ``finetune`` and ``test`` that determine how fast a step is."""

import argparse
from collections.abc import Callable
from typing import TypeAlias

from mmengine.config import Config

from wrn.cli.arguments import Argument
from wrn.config.config_errors import config_errors
from wrn.training import speed

_Settings: TypeAlias = dict[str, tuple[Callable[[Config, bool | None], None], str]]
"""The function that applies an option, and its help text, by the name of the option."""

_COMMON: _Settings = {
    'channels-last': (
        speed.set_channels_last,
        'use the channels-last memory format (default: yes, for the networks of this package)',
    ),
    'compile': (
        speed.set_compile,
        'compile the backbone, which takes about a minute at the first step (default: no)',
    ),
    'tf32': (
        speed.set_tf32,
        'use TF32 for float32 on GPUs (default: as torch does, in convolutions only)',
    ),
    'cudnn-benchmark': (
        speed.set_cudnn_benchmark,
        'time the algorithms of cuDNN and use the fastest (default: no)',
    ),
}
_TRAINING: _Settings = {
    **_COMMON,
    'fused': (speed.set_fused, 'use a fused optimizer (default: yes, for SGD, Adam and AdamW)'),
    'sync-bn': (speed.set_sync_bn, 'synchronize batch norms over the GPUs (default: no)'),
}


def _declare(settings: _Settings) -> dict[str, Argument]:
    boolean = argparse.BooleanOptionalAction
    return {f'--{name}': dict(action=boolean, help=help) for name, (_, help) in settings.items()}


SPEED_ARGUMENTS = _declare(_COMMON)
TRAINING_SPEED_ARGUMENTS = _declare(_TRAINING)


def apply_speed_options(cfg: Config, args: argparse.Namespace) -> None:
    """Apply the options to a config. If neither has a value, the default is used.

    Args:
        cfg: The config, which is changed.
        args: The arguments.

    Raises:
        WrnError: If the network or the optimizer does not support an option.
    """
    with config_errors(cfg.filename):
        for name, (apply, _) in _TRAINING.items():
            if (attribute := name.replace('-', '_')) in args:
                apply(cfg, getattr(args, attribute))
