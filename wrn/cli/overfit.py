"""``wrn overfit``: find out whether a setup can learn at all."""

import argparse
import tempfile
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import track

from wrn import training
from wrn.cli.runner_options import add_settings_argument, apply_settings, read_runnable
from wrn.config.config_file import config_errors
from wrn.utils.errors import WrnError

HELP = 'train on one small batch, and say whether the set-up learns it by heart'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('config', help='path of a config, or name of a model')
    parser.add_argument('--batch-size', type=int, default=16, help='pictures (default: 16)')
    parser.add_argument('--steps', type=int, default=100, help='most steps to take (default: 100)')
    add_settings_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Train on one batch and print the result; fail if the batch was not overfitted."""
    for option, value, least in (('--batch-size', args.batch_size, 2), ('--steps', args.steps, 1)):
        if value < least:
            raise WrnError(f'{option} {value}: must be at least {least}')
    cfg = read_runnable(args.config)
    with config_errors(cfg.filename):
        apply_settings(cfg, args)
    cfg.launcher, cfg.log_level = 'none', 'WARNING'
    show = partial(track, description='Learning', console=Console(stderr=True), transient=True)
    with tempfile.TemporaryDirectory() as folder:
        # mmengine names runs by the second; runs of one name would share a visualizer's files.
        cfg.work_dir, cfg.experiment_name = folder, Path(folder).name
        done = training.overfit(cfg, args.batch_size, args.steps, show)
    print(
        f'{len(done.losses)} steps on {done.total} pictures: the loss went from '
        f'{done.losses[0]:.3g} to {done.losses[-1]:.3g}, {done.right} of them are right'
    )
    if not done.learns:
        raise WrnError(
            f'{args.config}: the set-up does not learn even {done.total} pictures in '
            f'{len(done.losses)} steps; look at the labels, the pipeline and the learning rate, or '
            'give more --steps'
        )
    print('the set-up learns')
