"""``wrn finetune``: fine-tune a pretrained model on a folder of images."""

import argparse
import shlex

from wrn.cli.arguments import check_at_least, pick
from wrn.cli.run_results import name_report
from wrn.cli.settings import parse_settings
from wrn.cli.tables import print_report
from wrn.jobs.finetune import finetune
from wrn.jobs.run_options import TrainOptions
from wrn_base.terminal import show, show_command

_OWN = ('freeze', 'bit_depth', 'balance', 'groups', 'head_only', 'views')


def run(args: argparse.Namespace) -> None:
    """Split the images, train, test the best checkpoint, and write its weights and a report."""
    check_at_least(args, bit_depth=1)
    args.cfg_options = parse_settings(args.cfg_options)
    own = {name: getattr(args, name) for name in _OWN}
    done = finetune(args.data, args.model, args.checkpoint, **own, **pick(args, TrainOptions))
    args.progress.close()
    if done and done.report:
        print_report(done.report)
        show(f'wrote {name_report(done.folder)} and {done.weights}')
        show_command(f'use it with: wrn predict IMAGE --model {shlex.quote(str(done.weights))}')
