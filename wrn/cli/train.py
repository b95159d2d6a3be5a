"""``wrn train``: train a model."""

import argparse

from wrn import training
from wrn.cli.arguments import get_read_options
from wrn.cli.runner_options import read_train_config
from wrn.cli.speed_options import apply_speed_options


def run(args: argparse.Namespace) -> None:
    """Train the model of the config."""
    cfg = read_train_config(args)
    apply_speed_options(cfg, args)
    training.train(cfg, get_read_options(args))
