"""``wrn plot``: draw the curves of a training run."""

import argparse
from pathlib import Path

from wrn.cli.outputs import check_out
from wrn.training.evaluation.curves import draw_curves, read_log
from wrn.utils.files import write_atomically

HELP = 'draw loss, accuracy and learning rate of training runs'
_SUFFIXES = ('.png', '.svg', '.pdf')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'runs', nargs='+', metavar='RUN', help='work folder of a run, or its scalars.json'
    )
    parser.add_argument(
        '--out', default='curves.png', metavar='FILE', help='figure to write (default: curves.png)'
    )


def run(args: argparse.Namespace) -> None:
    """Draw the runs into one figure."""
    check_out(args.out, 'figures are', _SUFFIXES)
    figure = draw_curves({str(Path(name)): read_log(name) for name in args.runs})
    with write_atomically(args.out) as file:
        figure.savefig(file, format=Path(args.out).suffix.lstrip('.'))
    print(f'wrote {args.out}')
