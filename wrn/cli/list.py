"""``wrn list``: the models of this package."""

import argparse
import fnmatch
import os

from rich.table import Table

from wrn.cli.tables import print_table
from wrn.config import model_index
from wrn.utils.errors import WrnError

HELP = 'list the models of this package'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('pattern', nargs='?', default='*', help="such as 'wide-resnet50*'")


def run(args: argparse.Namespace) -> None:
    """Print a table of the models whose names match."""
    models = model_index.models()
    pattern = args.pattern.lower()
    names = [
        name
        for name, entry in models.items()
        if fnmatch.filter([name, *map(str.lower, model_index.aliases(entry))], pattern)
    ]
    if not names:
        raise WrnError(f"no model's name matches '{args.pattern}'; `wrn list` shows all")
    table = Table(box=None, header_style='bold')
    table.add_column('model', no_wrap=True)
    for column in ('params', 'FLOPs', 'top-1', 'top-5'):
        table.add_column(column, justify='right', no_wrap=True)
    for column in ('data set', 'weights', 'config'):
        table.add_column(column, no_wrap=True)
    for name in names:
        entry = models[name]
        metadata = entry.metadata.data
        (result,) = entry.results
        top1, top5 = (
            f'{result.metrics[f"Top {k} Accuracy"]:.2f}' if result.metrics else '-' for k in (1, 5)
        )
        table.add_row(
            entry.name,
            f'{metadata["Parameters"] / 1e6:.2f} M',
            f'{metadata["FLOPs"] / 1e9:.3g} G',
            top1,
            top5,
            result.dataset,
            model_index.weights_provenance(entry),
            os.path.relpath(entry.config, model_index.root()),
        )
    print_table(table)
