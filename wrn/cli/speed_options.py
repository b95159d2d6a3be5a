"""The options of ``wrn train``, ``finetune`` and ``test`` that say how a step is computed."""

import argparse
from collections.abc import Callable

from mmengine.config import Config

from wrn.config.config_errors import config_errors
from wrn.training import speed

_Setting = tuple[Callable[[Config, bool | None], None], str]

_BOTH: dict[str, _Setting] = {
    'channels-last': (
        speed.set_channels_last,
        'keep the channels of a pixel side by side in memory (default: yes, for the networks of '
        'this package)',
    ),
    'compile': (
        speed.set_compile,
        'compile the backbone, which takes about a minute at first (default: no)',
    ),
    'tf32': (
        speed.set_tf32,
        'let GPUs round float32 to TF32 in products (default: in convolutions alone, as torch)',
    ),
    'cudnn-benchmark': (
        speed.set_cudnn_benchmark,
        'let cuDNN try which of its algorithms is the quickest for a size (default: no)',
    ),
}
_TRAINING: dict[str, _Setting] = {
    'fused': (
        speed.set_fused,
        'update all weights in one kernel (default: yes, for SGD, Adam and AdamW)',
    ),
    'sync-bn': (
        speed.set_sync_bn,
        'normalise with the batches of all processes, on GPUs (default: no)',
    ),
}


def add_speed_arguments(parser: argparse.ArgumentParser, training: bool) -> None:
    """Declare the arguments.

    Args:
        parser: The parser of a command.
        training: Whether it trains.
    """
    group = parser.add_argument_group('speed')
    for name, (_, text) in {**_BOTH, **(_TRAINING if training else {})}.items():
        group.add_argument(f'--{name}', action=argparse.BooleanOptionalAction, help=text)


def apply_speed_options(cfg: Config, args: argparse.Namespace) -> None:
    """Set in a config what the command line says, or a default where neither says anything.

    Args:
        cfg: The config.
        args: The arguments.

    Raises:
        WrnError: If an option cannot be had.
    """
    with config_errors(cfg.filename):
        for name, (apply, _) in {**_TRAINING, **_BOTH}.items():
            key = name.replace('-', '_')
            if key in args:
                apply(cfg, getattr(args, key))
