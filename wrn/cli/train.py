"""``wrn train``: train a model."""

import argparse

from wrn.cli.arguments import pick
from wrn.cli.settings import parse_settings
from wrn.jobs.run_options import TrainOptions
from wrn.jobs.train import train


def run(args: argparse.Namespace) -> None:
    """Train the model of the config."""
    args.cfg_options = parse_settings(args.cfg_options)
    train(args.config, **pick(args, TrainOptions))
