"""``wrn train``: train a model."""

import argparse

from mmengine.dist import is_main_process

from wrn import training
from wrn.cli.arguments import get_read_options
from wrn.cli.run_results import print_train_result
from wrn.cli.runner_options import read_train_config
from wrn.cli.speed_options import apply_speed_options


def run(args: argparse.Namespace) -> None:
    """Train the model of the config."""
    cfg = read_train_config(args)
    apply_speed_options(cfg, args)
    result = training.train(cfg, get_read_options(args), progress=args.display)
    args.display.close()
    if is_main_process():
        print_train_result(result, args.config if args.cfg_options is None else result.config)
