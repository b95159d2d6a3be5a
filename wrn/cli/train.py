"""``wrn train``: train a model."""

import argparse

from mmengine.dist import is_main_process

from wrn.cli.arguments import pick
from wrn.cli.run_results import print_trained
from wrn.cli.settings import parse_settings
from wrn.jobs.run_options import TrainOptions
from wrn.jobs.train import train


def run(args: argparse.Namespace) -> None:
    """Train the model of the config."""
    args.cfg_options = parse_settings(args.cfg_options)
    done = train(args.config, **pick(args, TrainOptions))
    args.progress.close()
    if is_main_process():
        print_trained(done, done.config if args.cfg_options else args.config)
