"""The options of ``wrn train``, ``finetune`` and ``test`` that determine how fast a step is."""

import argparse
from collections.abc import Callable
from typing import TypeAlias

from mmengine.config import Config

from wrn.cli.arguments import Argument
from wrn.config.config_errors import config_errors
from wrn.training import speed

_Setting: TypeAlias = Callable[[Config, bool | None], None]


def _name(setting: _Setting) -> str:
    return setting.__name__.removeprefix('set_')


def _declare(settings: dict[_Setting, str]) -> dict[str, Argument]:
    boolean = dict(action=argparse.BooleanOptionalAction)
    return {'--' + _name(s).replace('_', '-'): dict(boolean, help=settings[s]) for s in settings}


# The options have the names of these functions, without `set_`.
_TRAINING: dict[_Setting, str] = {
    speed.set_fused: 'use a fused optimizer (default: yes, for SGD, Adam and AdamW)',
    speed.set_sync_bn: 'synchronise batch norms over the GPUs (default: no)',
}
_BOTH: dict[_Setting, str] = {
    speed.set_channels_last: 'use the channels-last memory format (default: yes, for the networks '
    'of this package)',
    speed.set_compile: 'compile the backbone, which takes about a minute at first (default: no)',
    speed.set_tf32: 'use TF32 for float32 on GPUs (default: in convolutions only, as torch)',
    speed.set_cudnn_benchmark: 'let cuDNN search for its fastest algorithms (default: no)',
}
SPEED_ARGUMENTS = _declare(_BOTH)
TRAINING_SPEED_ARGUMENTS = _declare(_BOTH | _TRAINING)


def apply_speed_options(cfg: Config, args: argparse.Namespace) -> None:
    """Apply the options to a config. Where neither sets a value, the default is used.

    Args:
        cfg: The config, which is changed.
        args: The arguments.

    Raises:
        WrnError: If the network or the optimizer does not support an option.
    """
    with config_errors(cfg.filename):
        for setting in _TRAINING | _BOTH:
            if (name := _name(setting)) in args:
                setting(cfg, getattr(args, name))
