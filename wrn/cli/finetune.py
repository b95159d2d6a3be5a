"""``wrn finetune``: fine-tune a pretrained model on a folder of images."""

import argparse
import shlex
from pathlib import Path

from mmengine.dist import is_main_process

from wrn import training
from wrn.cli.arguments import (
    check_at_least,
    get_read_options,
)
from wrn.cli.runner_options import apply_train_options
from wrn.cli.speed_options import apply_speed_options
from wrn.cli.tables import print_report
from wrn.config.config_errors import config_errors
from wrn.data.depth import advise_depth
from wrn.data.splitting import Splits, find_splits
from wrn.training.finetune import finetune
from wrn.zoo.resolve import resolve
from wrn_base.credentials import mask_credentials
from wrn_base.errors import WrnError, count, some
from wrn_base.terminal import say, show


def run(args: argparse.Namespace) -> None:
    """Split the images, train, test the best checkpoint, and write its weights and a report."""
    check_at_least(args, epochs=1, seed=0, bit_depth=1)
    if args.bit_depth and args.bit_depth > 16:
        raise WrnError(f'--bit-depth {args.bit_depth}: must be from 1 to 16')
    options, model = get_read_options(args), resolve(args.model)
    splits = find_splits(args.data, seed=args.seed)
    cfg = training.make_finetune_config(
        splits,
        model,
        args.checkpoint,
        args.epochs,
        args.freeze,
        args.seed,
        args.bit_depth,
    )
    apply_train_options(cfg, args)
    apply_speed_options(cfg, args)
    folder = Path(cfg.work_dir)
    with training.run_errors('train'), config_errors(cfg.filename):
        training.init_distributed(cfg)
    done, dropped = training.claim_folder(cfg, splits, args.skip_unreadable)
    if done:
        if is_main_process():
            show(f'nothing left to do: {done} exists')
        return
    training.write_annotations(cfg, splits, folder)
    if is_main_process():
        if splits.left_out:
            say(f'{args.data}: {splits.left_out}')
        if splits.only_trained:
            names = some(splits.only_trained)
            say(f'{args.data}: has 1 image of {names}, to train with only')
        paths = [str(splits.folder / path) for path, _ in splits.images['train']]
        if advice := advise_depth(paths, args.bit_depth):
            say(f'{args.data}: {advice}')
        _print_splits(splits, validated=not args.no_validate)
        if dropped:
            show(f'left out of validation and test, since unreadable: {some(dropped)}')
    start = mask_credentials(args.checkpoint or args.model)
    provenance = f'{start} fine-tuned on {Path(cfg.filename).stem}'
    result = finetune(cfg, provenance, options, model.template)
    if result:
        print_report(result.report)
        show(f'wrote {result.folder} and {result.weights}')
        show(f'use it with: wrn predict IMAGE --model {shlex.quote(str(result.weights))}')


def _print_splits(splits: Splits, validated: bool) -> None:
    for name, images in splits.images.items():
        what = count(len(images), 'image')
        if name == ('val' if validated else 'test') and splits.drawn:
            what += ', drawn from each class'
        if name == 'val' and not validated:
            what = 'none (--no-validate)'
        elif name == 'test' and validated and not splits.tests_apart:
            what = 'the same images as val, which also select the best epoch'
        show(f'{name}: {what}')
    show(f'{count(len(splits.classes), "class")}: {", ".join(splits.classes)}')
