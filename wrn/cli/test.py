"""``wrn test``: measure the accuracy of a model."""

import argparse
import contextlib
import sys
from typing import Any

from mmengine.dist import is_main_process

from wrn.cli.arguments import pick
from wrn.cli.run_results import name_report, print_metrics
from wrn.cli.settings import parse_settings
from wrn.cli.tables import print_report
from wrn.jobs.test import EvaluationOptions, Tested, test
from wrn.utils.finite import to_finite
from wrn_base.terminal import say, show, show_json


def run(args: argparse.Namespace) -> None:
    """Test the model, and print the metrics and the report."""
    args.cfg_options = parse_settings(args.cfg_options)
    # mmengine logs to standard output.
    with contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext():
        done = test(args.model, args.checkpoint, **pick(args, EvaluationOptions))
    args.progress.close()
    if not is_main_process():
        return
    if args.out:
        say(f'wrote {args.out}')
    if args.json:
        show_json(_to_json(done))
        return
    if done.report is None:
        print_metrics(done.metrics)
        return
    print_report(done.report)
    if args.report is not None:
        show(f'wrote {name_report(args.report)}')


def _to_json(done: Tested) -> dict[str, Any]:
    """Return the ``metrics``, and the ``classes``, null without a report."""
    classes = [vars(metrics) for metrics in done.report.classes] if done.report else None
    return to_finite(dict(metrics=done.metrics, classes=classes))
