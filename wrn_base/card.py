"""The card of a model: what is known of it, as a table and as JSON."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from modelindex.models.Model import Model

from wrn_base import model_index
from wrn_base.tables import Cell, print_table
from wrn_base.terminal import show_json

KEYS = (
    'kind', 'model', 'file', 'config', 'aliases', 'format', 'network', 'params', 'flops',
    'num_classes', 'classes', 'resize', 'channel_order', 'mean', 'std', 'dataset', 'metrics',
    'errors_in_paper', 'tensors', 'key', 'prefix', 'weights', 'origin', 'provenance', 'license',
    'assumed', 'problem', 'sha256', 'sha256_of_tensors', 'input', 'output', 'precision',
    'limitations',
)  # fmt: skip
"""The keys of a card in JSON, which has them all."""


class Fact:
    """A row of a card.

    Args:
        name: Its name in the table.
        cell: Its text, or a list of lines.
        **values: The same by the :data:`KEYS` of JSON.
    """

    def __init__(self, name: str, cell: Cell, **values: Any) -> None:
        self.name, self.cell, self.values = name, cell, values


def print_card(kind: str, facts: Iterable[Fact], as_json: bool) -> None:
    """Print a card.

    Args:
        kind: What it is of: ``'name'``, ``'config'``, ``'weights'`` or ``'exported'``.
        facts: The facts.
        as_json: Whether to print JSON: an object with all :data:`KEYS`. Those that are unknown, or
            do not apply, are null.
    """
    if not as_json:
        print_table((fact.name, fact.cell) for fact in facts)
        return
    show_json(dict.fromkeys(KEYS) | dict(kind=kind) | fact_values(facts))


def fact_values(facts: Iterable[Fact]) -> dict[str, Any]:
    """Return the values of facts by their :data:`KEYS`."""
    return {key: value for fact in facts for key, value in fact.values.items()}


def read_config(entry: Model) -> Config:
    """Read the config of a model of this package. What it imports is not imported."""
    return Config.fromfile(entry.config, import_custom_modules=False)


def describe_entry(entry: Model, config: Config, images: Fact) -> Iterator[Fact]:
    """Describe a model of an index.

    Args:
        entry: Its entry.
        config: Its config.
        images: What :func:`describe_images` returns for the config.

    Yields:
        The facts of its card.
    """
    metadata, data = entry.metadata.data, entry.data
    digest = data.get('SHA256') if entry.weights else None
    yield Fact('model', entry.name, model=entry.name, sha256=digest)
    if limitations := data.get('Limitations'):
        yield Fact('limitations', limitations, limitations=limitations)
    if names := model_index.aliases(entry):
        yield Fact('also published as', names, aliases=names)
    yield from describe_model(config)
    params, flops = metadata['Parameters'], metadata['FLOPs']
    yield Fact('params', f'{params:,}', params=params)
    yield Fact('FLOPs', f'{flops / 1e9:.3g} G multiply-adds', flops=flops)
    yield images
    for result in entry.results:
        values = dict(dataset=result.dataset, metrics=result.metrics or {})
        for metric, value in (result.metrics or {}).items():
            name = metric.removesuffix(' Accuracy').lower().replace(' ', '-')
            yield Fact(name, f'{value:.2f} % on {result.dataset}', **values)
    if results := model_index.paper_results(entry):
        yield Fact('error in the paper, %', results, errors_in_paper=results)
    if origin := data.get('Converted From'):
        both = [origin['Weights'], origin['Code']]
        yield Fact('origin', both, origin=both)
    if license := data.get('License'):
        yield Fact('license', license, license=license)
    weights = model_index.urls(entry) or [entry.weights] * bool(entry.weights)
    provenance = model_index.weights_provenance(entry)
    yield Fact('weights', weights or 'none: config only', weights=weights, provenance=provenance)
    path = model_index.shorten_config(str(config.filename))
    yield Fact('config', path, config=path)


def describe_model(config: Config) -> Iterator[Fact]:
    """Describe the network of a config, and the number of its classes.

    Args:
        config: The config.

    Yields:
        The facts.
    """
    backbone, head = config.model.get('backbone') or {}, config.model.get('head') or {}
    options = ('depth', 'widen_factor', 'drop_rate')
    parts = [f'{option} {backbone[option]}' for option in options if option in backbone]
    described = ', '.join([str(backbone.get('type')), *parts])
    yield Fact('network', described, network=described)
    if 'num_classes' in head:
        yield Fact('classes', str(head['num_classes']), num_classes=head['num_classes'])


def describe_images(pipeline: Sequence[Any], preprocessor: Mapping[str, Any]) -> Fact:
    """Describe how images are prepared for a network.

    Args:
        pipeline: The steps of the test pipeline.
        preprocessor: The data preprocessor, with ``mean``, ``std`` and ``to_rgb``.

    Returns:
        The changes of the size, the order of the channels, the mean and the standard deviation.
    """
    resize = ', '.join(filter(None, map(_describe_step, pipeline)))
    values = {key: list(preprocessor[key]) for key in ('mean', 'std') if key in preprocessor}
    lines = [f'{key} {value}' for key, value in values.items()]
    order = 'RGB' if preprocessor.get('to_rgb') else 'BGR'
    if len(values.get('mean') or ()) == 1:  # of grayscale images
        return Fact('images', [resize, *lines], resize=resize, **values)
    return Fact('images', [resize, order, *lines], resize=resize, channel_order=order, **values)


def _describe_step(transform: Any) -> str | None:
    """Describe how a step of the test pipeline changes the size of an image, if it does."""
    how = f'{transform.get("interpolation", "bilinear")}, {transform.get("backend", "cv2")}'
    match transform.type:
        case 'ResizeEdge':
            return f'{transform.edge} edge to {transform.scale} ({how})'
        case 'Resize':
            scale = transform.get('scale') or transform.get('scale_factor')
            sides = scale if isinstance(scale, Sequence) else [scale]
            return f'to {"x".join(map(str, sides))} ({how})'
        case 'CenterCrop':
            size = transform.crop_size
            height, width = (size, size) if isinstance(size, int) else size
            return f'center {height}x{width}'
    return None
