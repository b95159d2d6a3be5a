"""``wrn finetune``: train a pretrained model on a folder of pictures."""

import argparse
import shlex
from copy import deepcopy
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process

from wrn import training
from wrn.cli.options import apply_train_options
from wrn.cli.speed_options import apply_speed_options
from wrn.cli.tables import print_report
from wrn.cli.train import add_train_arguments
from wrn.datasets.splitting import Splits, find_splits
from wrn.errors import WrnError
from wrn.evaluation import REPORT_METRICS, Report, add_metrics
from wrn.evaluation.curves import draw_curves, read_log
from wrn.files import write_atomically
from wrn.publishing import publish

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
        default=-1,
        metavar='N',
        help='leave the stem and the first N stages as they are (default: all learn)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of the split, the order and the head (default: 0)'
    )
    add_train_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Find classes and splits, train, test the best checkpoint, and leave that and a report."""
    if args.epochs is not None and args.epochs < 1:
        raise WrnError(f'--epochs {args.epochs}: must be at least 1')
    splits = find_splits(args.data, seed=args.seed)
    cfg = training.finetune_config(
        splits, args.model, args.checkpoint, args.epochs, args.freeze, args.seed
    )
    apply_train_options(cfg, args)
    apply_speed_options(cfg, args)
    training.init_distributed(cfg)
    training.annotate(cfg, splits)
    if is_main_process():
        _print_splits(splits)
    training.train(deepcopy(cfg))
    cfg.update(load_from=str(_find_best(cfg)), resume=False)
    cfg.test_evaluator = add_metrics(cfg.test_evaluator, *REPORT_METRICS)
    results = training.test(cfg)
    if is_main_process():
        report = Report(results.metrics, results.classes)
        print_report(report)
        _leave(cfg, report, args)
    barrier()


def _print_splits(splits: Splits) -> None:
    for name, pictures in splits.pictures.items():
        what = f'{len(pictures)} pictures'
        if name == 'val' and splits.drawn:
            what += ', drawn from each class'
        if name == 'test' and not splits.tests_apart:
            what = 'those of val, by which the best epoch is chosen'
        print(f'{name}: {what}')
    print(f'{len(splits.classes)} classes: {", ".join(splits.classes)}')


def _find_best(cfg: Config) -> Path:
    """Find the checkpoint of the epoch that was best, or of the last if none was validated."""
    folder = Path(cfg.work_dir)
    best = sorted(folder.glob('best_*.pth'), key=lambda path: path.stat().st_mtime_ns)
    return best[-1] if best else Path(folder.joinpath('last_checkpoint').read_text().strip())


def _leave(cfg: Config, report: Report, args: argparse.Namespace) -> None:
    """Leave the weights for ``wrn predict``, and the report; remove what served to resume."""
    folder = Path(cfg.work_dir)
    name = Path(cfg.filename).stem
    source = f'{args.model} fine-tuned on {name}'
    done = publish(cfg.load_from, f'{name}.pth', folder, source=source)
    target = folder / 'report'
    target.mkdir(exist_ok=True)
    report.write(target)
    with write_atomically(target / 'curves.png') as file:
        draw_curves({name: read_log(str(folder))}).savefig(file, format='png')
    for pattern in ('epoch_*.pth', 'best_*.pth', 'stopped.pth', 'last_checkpoint', '.started'):
        for path in folder.glob(pattern):
            path.unlink()
    print(f'wrote {target} and {done.path}')
    print(f'use it with: wrn predict PICTURES --model {shlex.quote(str(done.path))}')
