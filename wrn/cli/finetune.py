"""``wrn finetune``: fine-tune a pretrained model on a folder of images."""

import argparse
import shlex
import sys
from pathlib import Path

from mmengine.dist import is_main_process

from wrn import training
from wrn.cli.runner_options import apply_train_options
from wrn.cli.speed_options import apply_speed_options
from wrn.cli.tables import print_report
from wrn.cli.train import add_train_arguments
from wrn.config.config_file import config_errors
from wrn.data.splitting import Splits, find_splits
from wrn.training.finetune import finetune
from wrn.utils.errors import WrnError, some
from wrn.zoo.resolve import resolve

HELP = 'train a pretrained model on a folder of pictures'
DEFAULT_MODEL = 'wide-resnet50_3rdparty_8xb32_in1k'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'data',
        metavar='DATA_FOLDER',
        help='a folder for each class, or train, val and perhaps test with such folders',
    )
    parser.add_argument(
        '--model',
        default=DEFAULT_MODEL,
        help='name of a model, path of a config, or file that this command wrote '
        '(default: %(default)s)',
    )
    parser.add_argument('--checkpoint', help="weights to start from (default: the model's own)")
    parser.add_argument('--epochs', type=int, help='how long to train (default: 20)')
    parser.add_argument(
        '--freeze',
        type=int,
        metavar='N',
        default=-1,
        help='leave the stem and the first N stages as they are; 0: the stem (default: all learn)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of the split, the order and the head (default: 0)'
    )
    add_train_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Split the images, train, test the best checkpoint, and write its weights and a report."""
    if args.epochs is not None and args.epochs < 1:
        raise WrnError(f'--epochs {args.epochs}: must be at least 1')
    if args.seed < 0:
        raise WrnError(f'--seed {args.seed}: must not be negative')
    splits = find_splits(args.data, seed=args.seed)
    cfg = training.finetune_config(
        splits, resolve(args.model), args.checkpoint, args.epochs, args.freeze, args.seed
    )
    apply_train_options(cfg, args)
    apply_speed_options(cfg, args)
    folder = Path(cfg.work_dir)
    with training.run_errors('train'), config_errors(cfg.filename):
        training.init_distributed(cfg)
    done, dropped = training.claim_folder(cfg, splits, args.skip_unreadable)
    if done:
        if is_main_process():
            print(f'nothing is left to do: {done} is there')
        return
    training.annotate(cfg, splits, folder)
    if is_main_process():
        if splits.left_out:
            print(f'wrn: {args.data}: {splits.left_out}', file=sys.stderr)
        _print_splits(splits)
        if dropped:
            print(f'cannot be read, and so not validated or tested with: {some(dropped)}')
    result = finetune(cfg, f'{args.model} fine-tuned on {Path(cfg.filename).stem}')
    if result:
        print_report(result.report)
        print(f'wrote {result.folder} and {result.weights}')
        print(f'use it with: wrn predict PICTURES --model {shlex.quote(str(result.weights))}')


def _print_splits(splits: Splits) -> None:
    for name, images in splits.pictures.items():
        what = f'{len(images)} pictures'
        if name == 'val' and splits.drawn:
            what += ', drawn from each class'
        if name == 'test' and not splits.tests_apart:
            what = 'those of val, by which the best epoch is chosen'
        print(f'{name}: {what}')
    print(f'{len(splits.classes)} classes: {", ".join(splits.classes)}')
