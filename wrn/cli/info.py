"""``wrn info``: all that is known of a model."""

import argparse
import os
from collections.abc import Iterator

from mmengine.config import ConfigDict
from modelindex.models.Model import Model
from rich.markup import escape
from rich.table import Table

from wrn.cli.tables import print_table
from wrn.config import model_index
from wrn.config.config_file import get_test_dataset, read_config
from wrn.utils.errors import WrnError, did_you_mean

HELP = 'show what is known of a model: figures, licence, sources of its weights'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('name', help='name of a model, here or in torchvision or timm')


def run(args: argparse.Namespace) -> None:
    """Print the card of a model."""
    entry = model_index.find(args.name)
    if entry is None:
        hint = did_you_mean(args.name.lower(), model_index.models(), '; `wrn list` shows all')
        raise WrnError(f"unknown model '{args.name}'{hint}")
    table = Table(box=None, show_header=False)
    table.add_column(style='bold', no_wrap=True)
    table.add_column(no_wrap=True)
    for key, value in _card(entry):
        table.add_row(key, escape(value))
    print_table(table)


def _card(entry: Model) -> Iterator[tuple[str, str]]:
    metadata = entry.metadata.data
    yield 'model', entry.name
    if names := model_index.aliases(entry):
        yield 'elsewhere', '\n'.join(names)
    yield 'params', f'{metadata["Parameters"]:,}'
    pipeline = get_test_dataset(read_config(entry.config)).pipeline
    yield 'FLOPs', f'{metadata["FLOPs"] / 1e9:.3g} G multiply-adds'
    yield 'pictures', ', '.join(filter(None, map(_describe, pipeline)))
    for result in entry.results:
        for metric, value in (result.metrics or {}).items():
            figure = metric.removesuffix(' Accuracy').lower().replace(' ', '-')
            yield figure, f'{value:.2f} % on {result.dataset}'
    if results := model_index.paper_results(entry):
        yield 'error in the paper, %', '\n'.join(results)
    if origin := entry.data.get('Converted From'):
        yield 'origin', f'{origin["Weights"]}\n{origin["Code"]}'
    if licence := entry.data.get('License'):
        yield 'licence', licence
    yield 'weights', '\n'.join(model_index.sources(entry)) or entry.weights or 'none: config only'
    yield 'config', os.path.relpath(entry.config, model_index.root())


def _describe(transform: ConfigDict) -> str | None:
    """Say what a step of the test pipeline does to a picture's size."""
    how = f'{transform.get("interpolation", "bilinear")}, {transform.get("backend", "cv2")}'
    match transform.type:
        case 'ResizeEdge':
            return f'{transform.edge} edge to {transform.scale} ({how})'
        case 'Resize':
            return f'to {"x".join(map(str, transform.scale))} ({how})'
        case 'CenterCrop':
            return f'centre {transform.crop_size}x{transform.crop_size}'
    return None
