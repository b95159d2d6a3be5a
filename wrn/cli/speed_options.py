"""The options of ``wrn train``, ``finetune`` and ``test`` that determine how fast a step is."""

import argparse
from collections.abc import Callable

from mmengine.config import Config

from wrn.config.config_file import config_errors
from wrn.training import speed

# The options have the names of these functions, without `set_`.
_TRAINING = {
    speed.set_fused: 'update all weights in one kernel (default: yes, for SGD, Adam and AdamW)',
    speed.set_sync_bn: 'normalise with the batches of all processes, on GPUs (default: no)',
}
_BOTH = {
    speed.set_channels_last: 'keep the channels of a pixel side by side in memory (default: yes, '
    'for the networks of this package)',
    speed.set_compile: 'compile the backbone, which takes about a minute at first (default: no)',
    speed.set_tf32: 'let GPUs round float32 to TF32 in products (default: in convolutions alone, '
    'as torch)',
    speed.set_cudnn_benchmark: 'let cuDNN try which of its algorithms is the quickest for a size '
    '(default: no)',
}


def add_speed_arguments(parser: argparse.ArgumentParser, training: bool) -> None:
    """Declare the options.

    Args:
        parser: The parser of a command.
        training: Whether the command trains.
    """
    group = parser.add_argument_group('speed')
    for setting, text in (_BOTH | _TRAINING if training else _BOTH).items():
        option = '--' + _name(setting).replace('_', '-')
        group.add_argument(option, action=argparse.BooleanOptionalAction, help=text)


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


def _name(setting: Callable[..., None]) -> str:
    return setting.__name__.removeprefix('set_')
