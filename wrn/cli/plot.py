"""``wrn plot``: plot the curves of training runs."""

import argparse
from pathlib import Path

from wrn.jobs.outputs import check_out
from wrn.training.evaluation.curve_charts import make_curves
from wrn.training.evaluation.curve_plots import draw_curves
from wrn.training.evaluation.curves import read_log
from wrn.training.evaluation.fonts import fonts_for
from wrn.utils.files import write_atomically
from wrn_base.terminal import show


def run(args: argparse.Namespace) -> None:
    """Plot the runs in one image."""
    check_out(args.out, 'plots are', ('.png', '.svg', '.pdf'), args.overwrite)
    runs = [make_curves(str(Path(name)), read_log(name)) for name in args.runs]
    with (
        fonts_for([run.name for run in runs], args.out),
        write_atomically(args.out, args.overwrite) as file,
    ):
        draw_curves(runs).savefig(file, format=Path(args.out).suffix.lstrip('.'))
    show(f'wrote {args.out}')
