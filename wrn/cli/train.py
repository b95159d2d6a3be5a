"""``wrn train``: train a model."""

import argparse

from wrn import training
from wrn.cli.arguments import add_flags
from wrn.cli.runner_options import add_common_arguments, read_train_config
from wrn.cli.speed_options import add_speed_arguments, apply_speed_options

HELP = 'train a model'
_FLAGS = {
    'amp': 'train with mixed precision',
    'no-validate': 'do not validate meanwhile',
    'auto-scale-lr': 'scale the learning rate to the batch size at hand',
    'skip-unreadable': 'train without the pictures that cannot be read, and count them; else stop '
    'at one',
    'tensorboard': 'log for TensorBoard, too',
    'wandb': 'log to Weights & Biases, too',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('config', help='path of a config, or name of a model')
    add_train_arguments(parser)


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that train and finetune share."""
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='FILE',
        help='go on from this checkpoint, or without FILE from the latest in the work folder',
    )
    add_flags(parser, _FLAGS)
    add_common_arguments(parser)
    add_speed_arguments(parser, training=True)


def run(args: argparse.Namespace) -> None:
    """Train the model of the config."""
    cfg = read_train_config(args)
    apply_speed_options(cfg, args)
    training.train(cfg)
