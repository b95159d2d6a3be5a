"""``wrn list``: the models of this package."""

import argparse
import fnmatch
import os

from rich.console import Console
from rich.table import Table

from wrn import zoo
from wrn.errors import WrnError

HELP = 'list the models of this package'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('pattern', nargs='?', default='*', help="such as 'wide-resnet50*'")


def run(args: argparse.Namespace) -> None:
    """Print a table of the models whose names match."""
    models = zoo.models()
    names = fnmatch.filter(models, args.pattern.lower())
    if not names:
        raise WrnError(f"no model's name matches '{args.pattern}'; `wrn list` shows all")
    table = Table(box=None, header_style='bold')
    table.add_column('model', no_wrap=True)
    for column in ('params', 'FLOPs', 'top-1', 'top-5'):
        table.add_column(column, justify='right', no_wrap=True)
    table.add_column('data set', no_wrap=True)
    table.add_column('config', no_wrap=True)
    for name in names:
        entry = models[name]
        metadata, (result,) = entry.metadata.data, entry.results
        table.add_row(
            entry.name,
            f'{metadata["Parameters"] / 1e6:.2f} M',
            f'{metadata["FLOPs"] / 1e9:.3g} G',
            f'{result.metrics["Top 1 Accuracy"]:.2f}',
            f'{result.metrics["Top 5 Accuracy"]:.2f}',
            result.dataset,
            os.path.relpath(entry.config, zoo.root()),
        )
    # In a narrow terminal, lines that wrap are better than columns that are cut.
    width = Console(width=1000).measure(table).maximum
    Console(width=max(width, Console().width)).print(table)
