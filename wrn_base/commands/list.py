"""``wrn list``: list the models of this package."""

import argparse
import fnmatch
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from modelindex.models.Model import Model

from wrn_base import model_index
from wrn_base.errors import WrnError, count
from wrn_base.options import argument, flag
from wrn_base.tables import print_table
from wrn_base.terminal import show, show_json

DOCS = 'configs/wrn/README.md'
EXAMPLES = {
    '': 'the models that have weights',
    'cifar': 'those with this in their names, recipes too',
    "'wide-resnet28*'": 'those with matching names',
    '--all --json': 'all, for scripts',
}
ARGUMENTS = {
    'pattern': argument(
        'PATTERN',
        "part of a name, or a pattern such as 'wide-resnet50*' (default: all models that have "
        'weights)',
        nargs='?',
    ),
    '--all': flag('also list recipes without weights'),
    '--json': flag('print JSON: a list of models with all that is known of each'),
}
_WILDCARDS = {*'*?['}
_NUMBERS = ('params', 'top-1')


def run(args: argparse.Namespace) -> bool:
    """Print the models that have weights, or those with matching names.

    Args:
        args: The arguments.

    Returns:
        True: there is no more to do.

    Raises:
        WrnError: If no name matches.
    """
    pattern = (args.pattern or '').lower()
    if not _WILDCARDS & {*pattern}:
        pattern = f'*{pattern}*'
    entries = [
        entry
        for name, entry in model_index.models().items()
        if fnmatch.filter([name, *map(str.lower, model_index.aliases(entry))], pattern)
    ]
    if not entries:
        raise WrnError(f'{args.pattern!r}: matches no model name; `wrn list --all` shows all')
    shown = entries if args.all or args.pattern else [e for e in entries if _has_weights(e)]
    if args.json:
        show_json([_to_json(entry) for entry in shown])
        return True
    _print_groups(shown)
    if rest := len(entries) - len(shown):
        show(f'{count(rest, "recipe")} without weights: wrn list --all')
    return True


def _print_groups(entries: Iterable[Model]) -> None:
    """Print a table for each dataset, with the models that have weights first."""
    order = {name: index for index, name in enumerate(dict.fromkeys(map(_dataset, entries)))}
    ordered = sorted(entries, key=lambda entry: (order[_dataset(entry)], not _has_weights(entry)))
    for dataset, group in groupby(ordered, _dataset):
        columns = (dataset, *_NUMBERS, 'weights')
        print_table(map(_describe, group), columns, right=_NUMBERS)
        show('')


def _has_weights(entry: Model) -> bool:
    return bool(entry.weights)


def _dataset(entry: Model) -> str:
    return str(entry.results[0].dataset)


def _describe(entry: Model) -> tuple[str, ...]:
    metadata = entry.metadata.data
    top1 = (entry.results[0].metrics or {}).get('Top 1 Accuracy')
    return (
        entry.name,
        f'{metadata["Parameters"] / 1e6:.1f} M',
        '-' if top1 is None else f'{top1:.2f}',
        {'published': 'online', 'trained here': 'included'}.get(
            model_index.weights_provenance(entry), 'none'
        ),
    )


def _to_json(entry: Model) -> dict[str, Any]:
    metadata = entry.metadata.data
    return dict(
        name=entry.name,
        dataset=_dataset(entry),
        params=metadata['Parameters'],
        flops=metadata['FLOPs'],
        metrics=entry.results[0].metrics or {},
        weights=model_index.weights_provenance(entry),
        urls=model_index.urls(entry),
        aliases=model_index.aliases(entry),
        license=entry.data.get('License'),
        config=model_index.shorten_config(entry.config),
    )
