"""Describe a model of the index, and how a config prepares its images."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from modelindex.models.Model import Model

from wrn_base import model_index
from wrn_base.tables import Cell


def read_config(entry: Model) -> Config:
    """Read the config of a model of this package. What it imports is not imported."""
    return Config.fromfile(entry.config, import_custom_modules=False)


def describe_entry(
    entry: Model, config: Config, images: Sequence[str]
) -> Iterator[tuple[str, Cell]]:
    """Describe a model of an index.

    Args:
        entry: Its entry.
        config: Its config.
        images: What :func:`describe_images` returns for the config.

    Yields:
        The rows of its card: a name, and a text or a list of lines.
    """
    metadata = entry.metadata.data
    yield 'model', entry.name
    if names := model_index.aliases(entry):
        yield 'also published as', names
    yield 'params', f'{metadata["Parameters"]:,}'
    yield 'FLOPs', f'{metadata["FLOPs"] / 1e9:.3g} G multiply-adds'
    yield 'images', images
    for result in entry.results:
        for metric, value in (result.metrics or {}).items():
            name = metric.removesuffix(' Accuracy').lower().replace(' ', '-')
            yield name, f'{value:.2f} % on {result.dataset}'
    if results := model_index.paper_results(entry):
        yield 'error in the paper, %', results
    if origin := entry.data.get('Converted From'):
        yield 'origin', [origin['Weights'], origin['Code']]
    if license := entry.data.get('License'):
        yield 'license', license
    yield 'weights', model_index.urls(entry) or entry.weights or 'none: config only'
    yield 'config', os.path.relpath(str(config.filename), model_index.root())


def describe_images(pipeline: Sequence[Any], preprocessor: Mapping[str, Any]) -> list[str]:
    """Describe how images are prepared for a network.

    Args:
        pipeline: The steps of the test pipeline.
        preprocessor: The data preprocessor, with ``mean`` and ``std``.

    Returns:
        The changes of the size, the mean and the standard deviation, as lines.
    """
    steps = filter(None, map(_describe_step, pipeline))
    values = [f'{key} {list(preprocessor[key])}' for key in ('mean', 'std') if key in preprocessor]
    return [', '.join(steps), *values]


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
