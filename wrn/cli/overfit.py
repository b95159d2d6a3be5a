"""``wrn overfit``: find out whether a setup can learn at all."""

import argparse
import tempfile

from wrn import training
from wrn.cli.arguments import check_at_least
from wrn.cli.settings import parse_settings
from wrn.config.config_errors import config_errors
from wrn.jobs.run_options import read_runnable
from wrn.jobs.settings import apply_settings
from wrn_base.errors import WrnError, count
from wrn_base.terminal import show


def run(args: argparse.Namespace) -> None:
    """Train on one batch and print the result; fail if the batch was not overfitted."""
    check_at_least(args, batch_size=2, steps=1)
    cfg = read_runnable(args.config)
    with config_errors(cfg.filename):
        apply_settings(cfg, parse_settings(args.cfg_options))
    cfg.launcher = 'none'
    with tempfile.TemporaryDirectory() as cfg.work_dir:
        done = training.overfit_batch(cfg, args.batch_size, args.steps, args.progress)
    args.progress.close()
    steps, images = count(len(done.losses), 'step'), count(done.total, 'image')
    losses = f'{done.losses[0]:.3g} to {done.losses[-1]:.3g}'
    right = f'correct predictions: {done.right} of {done.total}'
    show(f'{steps} on {images}: loss {losses}; {right}')
    if not done.learns:
        raise WrnError(
            f'{args.config}: does not overfit {images} in {steps}; check the labels, the pipeline '
            'and the learning rate, or raise --steps'
        )
    show('the setup can learn: it overfits the batch')
