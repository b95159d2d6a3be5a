"""``wrn train``: train a model."""

import argparse

from wrn import training
from wrn.cli.arguments import WEIGHTS_ARGUMENTS, argument, flag, get_read_options
from wrn.cli.runner_options import COMMON_ARGUMENTS, read_train_config
from wrn.cli.speed_options import TRAINING_SPEED_ARGUMENTS, apply_speed_options

HELP = 'train a model'
TRAIN_ARGUMENTS = {
    '--resume': argument(
        'FILE',
        'resume from this checkpoint; without FILE, from the latest in the work folder',
        nargs='?',
        const='auto',
    ),
    '--amp': flag('train in mixed precision'),
    '--no-validate': flag('skip validation'),
    '--auto-scale-lr': flag('scale the learning rate to the actual batch size'),
    '--skip-unreadable': flag('skip and count unreadable images (default: stop at the first)'),
    '--tensorboard': flag('also log to TensorBoard'),
    '--wandb': flag('also log to Weights & Biases'),
    'weights': WEIGHTS_ARGUMENTS,
    **COMMON_ARGUMENTS,
    'speed': TRAINING_SPEED_ARGUMENTS,
}
ARGUMENTS = {
    'config': argument('CONFIG', 'path of a config, or model name'),
    **TRAIN_ARGUMENTS,
}


def run(args: argparse.Namespace) -> None:
    """Train the model of the config."""
    cfg = read_train_config(args)
    apply_speed_options(cfg, args)
    training.train(cfg, get_read_options(args))
