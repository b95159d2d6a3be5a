"""``wrn list``: list the models of this package."""

import argparse
import fnmatch
import os

from modelindex.models.Model import Model

from wrn.cli.arguments import argument
from wrn.cli.tables import print_table
from wrn_base import model_index
from wrn_base.errors import WrnError

HELP = 'list the models of this package'
_NUMBERS = ('params', 'FLOPs', 'top-1', 'top-5')
ARGUMENTS = {'pattern': argument('PATTERN', "such as 'wide-resnet50*'", '*', nargs='?')}


def run(args: argparse.Namespace) -> None:
    """Print a table of the models with matching names."""
    pattern = args.pattern.lower()
    rows = [
        _describe(entry)
        for name, entry in model_index.models().items()
        if fnmatch.filter([name, *map(str.lower, model_index.aliases(entry))], pattern)
    ]
    if not rows:
        raise WrnError(f'{args.pattern!r}: matches no model name; `wrn list` shows all')
    print_table(rows, ('model', *_NUMBERS, 'dataset', 'weights', 'config'), right=_NUMBERS)


def _describe(entry: Model) -> tuple[str, ...]:
    metadata = entry.metadata.data
    (result,) = entry.results
    metrics = result.metrics or {}
    return (
        entry.name,
        f'{metadata["Parameters"] / 1e6:.2f} M',
        f'{metadata["FLOPs"] / 1e9:.3g} G',
        *(f'{metrics[f"Top {k} Accuracy"]:.2f}' if metrics else '-' for k in (1, 5)),
        result.dataset,
        model_index.weights_provenance(entry),
        os.path.relpath(entry.config, model_index.root()),
    )
