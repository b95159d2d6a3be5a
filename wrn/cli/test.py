"""``wrn test``: measure the accuracy of a model."""

import argparse

from mmengine.dist import is_main_process

from wrn import training
from wrn.cli.arguments import add_flags
from wrn.cli.backend_options import add_backend_arguments, check_calibration
from wrn.cli.runner_options import add_common_arguments, read_test_config
from wrn.cli.speed_options import add_speed_arguments, apply_speed_options
from wrn.cli.tables import print_report
from wrn.training.evaluation import CONFUSION, Report
from wrn.utils.errors import WrnError

HELP = "measure a model's accuracy"
_FLAGS = {
    'amp': 'test with mixed precision',
    'tta': "average over the config's tta_pipeline, else over each picture and its mirror",
    'show': 'show pictures with predictions in a window',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'model',
        metavar='MODEL',
        help='name of a model, or path of a config, a file of weights or an exported file',
    )
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help='weights: a path or URL (default: those of the name or the file)',
    )
    parser.add_argument('--out', metavar='FILE', help='write the results here')
    parser.add_argument(
        '--out-item',
        choices=['pred', 'metrics'],
        help='what to write: the predictions (.csv, .jsonl, .json, .parquet, .pkl), or the metrics '
        '(.json, .yaml) (default: pred)',
    )
    parser.add_argument(
        '--report',
        metavar='FOLDER',
        help='measure calibration and each class, too, and write it here, with a confusion matrix',
    )
    add_flags(parser, _FLAGS)
    parser.add_argument('--show-dir', metavar='FOLDER', help='write pictures with predictions here')
    parser.add_argument('--interval', type=int, default=1, help='show every n-th (default: 1)')
    parser.add_argument(
        '--wait-time', type=float, default=2, help='seconds to show each (default: 2)'
    )
    add_common_arguments(parser)
    add_speed_arguments(parser, training=False)
    add_backend_arguments(parser.add_argument_group('engine'))


def run(args: argparse.Namespace) -> None:
    """Test the model, and print the metrics and the report."""
    cfg = read_test_config(args)
    apply_speed_options(cfg, args)
    check_calibration(args)
    engine = None
    if (args.backend, args.precision) != ('eager', 'float32'):
        if args.tta or args.amp or args.compile:
            raise WrnError(
                '--tta, --amp and --compile: are for eager; leave out --backend and --precision'
            )
        engine = training.EngineHook(args.backend, args.precision, args.calibration)
    result = training.test(cfg, args.out, args.out_item, engine)
    if CONFUSION in result.metrics and is_main_process():  # of --report, or of the config
        report = Report(result.metrics, result.classes)
        print_report(report)
        if args.report is not None:
            report.write(args.report)
            print(f'wrote {args.report}')
