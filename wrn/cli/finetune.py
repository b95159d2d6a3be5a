"""``wrn finetune``: fine-tune a pretrained model on a folder of images."""

import argparse
import shlex

from wrn.cli.arguments import check_at_least, pick
from wrn.cli.progress import image_counter
from wrn.cli.settings import parse_settings
from wrn.cli.tables import print_report
from wrn.jobs.finetune import finetune
from wrn.jobs.run_options import TrainOptions
from wrn_base.terminal import show


def run(args: argparse.Namespace) -> None:
    """Split the images, train, test the best checkpoint, and write its weights and a report."""
    check_at_least(args, epochs=1, seed=0, bit_depth=1)
    args.cfg_options = parse_settings(args.cfg_options)
    names = ('epochs', 'freeze', 'bit_depth', 'seed', 'head_only', 'views')
    own = {name: getattr(args, name) for name in names}
    with image_counter('Features') as progress:
        own.update(**pick(args, TrainOptions), progress=progress)
        done = finetune(args.data, args.model, args.checkpoint, **own)
    if done and done.report:
        print_report(done.report)
        show(f'wrote {done.folder} and {done.weights}')
        show(f'use it with: wrn predict IMAGE --model {shlex.quote(str(done.weights))}')
