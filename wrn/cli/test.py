"""``wrn test``: measure the accuracy of a model."""

import argparse

from mmengine.dist import is_main_process

from wrn.cli.arguments import pick
from wrn.cli.run_results import print_metrics
from wrn.cli.settings import parse_settings
from wrn.cli.tables import print_report
from wrn.jobs.test import EvaluationOptions, test
from wrn_base.terminal import show


def run(args: argparse.Namespace) -> None:
    """Test the model, and print the metrics and the report."""
    args.cfg_options = parse_settings(args.cfg_options)
    done = test(args.model, args.checkpoint, **pick(args, EvaluationOptions))
    args.progress.close()
    if not is_main_process():
        return
    if done.report is None:
        print_metrics(done.metrics)
        return
    print_report(done.report)
    if args.report is not None:
        show(f'wrote {args.report}')
