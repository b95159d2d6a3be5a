"""``wrn test``: measure the accuracy of a model."""

import argparse

from mmengine.dist import is_main_process

from wrn import training
from wrn.checkpoints import ReadOptions
from wrn.cli.arguments import (
    get_read_options,
)
from wrn.cli.backend_options import check_calibration
from wrn.cli.runner_options import read_test_config
from wrn.cli.speed_options import apply_speed_options
from wrn.cli.tables import print_report
from wrn.training.evaluation import Report, has_report
from wrn_base.errors import WrnError
from wrn_base.terminal import show


def run(args: argparse.Namespace) -> None:
    """Test the model, and print the metrics and the report."""
    cfg = read_test_config(args)
    apply_speed_options(cfg, args)
    check_calibration(args)
    options, engine = get_read_options(args), None
    if cfg.load_from is None and options != ReadOptions():
        raise WrnError(
            f'{args.model}: an exported file has one set of weights and its own normalization; '
            'leave out --key, --prefix, --mean and --std'
        )
    if (args.backend, args.precision) != ('eager', 'float32'):
        if args.tta or args.amp or args.compile:
            raise WrnError(
                '--tta, --amp and --compile: need the eager backend in float32; leave them out, or '
                'leave out --backend and --precision'
            )
        engine = training.EngineHook(args.backend, args.precision, args.calibration)
    result = training.test(cfg, args.out, args.out_item, engine, options)
    if has_report(result.metrics) and is_main_process():  # of --report, or of the config
        report = Report(result.metrics, result.classes)
        print_report(report)
        if args.report is not None:
            report.write(args.report)
            show(f'wrote {args.report}')
