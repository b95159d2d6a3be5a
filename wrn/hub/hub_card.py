"""The model card of a repository on the Hugging Face hub."""

from collections.abc import Iterator, Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from mmengine.config import Config

from wrn.hub.card_figures import Figures
from wrn.hub.card_usage import describe_classes, describe_usage
from wrn.hub.markdown_text import code
from wrn_base.names import visible
from wrn_base.version import __version__

_TASK = 'image-classification'


def make_card(
    repository: str,
    facts: Mapping[str, Any],
    config: Config,
    figures: Figures | None,
    dataset: str | None,
) -> ModelCard:
    """Write the card of a model. What is unknown is left out of it.

    Args:
        repository: The name of the repository, ``USER/REPO``.
        facts: What :func:`wrn.zoo.model_card.describe_resolved` says of the file of weights.
        config: The config of the model.
        figures: The figures of a test. None if there are none.
        dataset: The name of the data. None if it is unknown.
    """
    name = repository.partition('/')[2]
    license = facts.get('license')
    results = [
        EvalResult(
            task_type=_TASK,
            dataset_type=visible(dataset or ''),
            dataset_name=visible(dataset or ''),
            metric_type=kind,
            metric_name=metric,
            metric_value=value,
        )
        for kind, metric, value in (figures.results if figures else ())
    ]
    data = ModelCardData(
        library_name='mmpretrain-wrn',
        pipeline_tag=_TASK,
        tags=['wide-resnet', 'mmpretrain', 'pytorch'],
        license=visible(str(license)).lower()
        if license
        else None,  # as the hub spells SPDX's names
        model_name=name if results else None,
        eval_results=results or None,
    )
    body = '\n'.join(
        [
            f'# {code(name)}\n',
            'A Wide Residual Network for image classification.\n',
            *(f'- {what}: {text}' for what, text in _list_facts(facts, config, dataset)),
            '',
            *(_describe_results(figures, dataset or '') if figures else ()),
            describe_usage(repository, config, facts['num_classes']),
            *_list_classes(facts.get('classes')),
            f'This card was written by wrn {__version__}.\n',
        ]
    )
    return ModelCard(f'---\n{data.to_yaml()}\n---\n\n{body}')


def _list_facts(
    facts: Mapping[str, Any], config: Config, dataset: str | None
) -> Iterator[tuple[str, str]]:
    yield 'network', f'{code(facts["network"])}, {facts["params"]:,} parameters'
    if dataset:
        yield 'data', code(dataset)
    yield 'classes', describe_classes(config.model.head, facts['num_classes'])
    for name in ('provenance', 'license'):
        if facts.get(name):
            yield name, code(str(facts[name]))
    if facts.get('resize'):
        yield 'size of the images', code(facts['resize'])
    if facts.get('mean') and facts.get('std'):
        values = [', '.join(f'{value:g}' for value in facts[name]) for name in ('mean', 'std')]
        order = f'{facts["channel_order"]}; ' if facts.get('channel_order') else ''
        yield 'normalization', f'{order}mean {values[0]}; std {values[1]}; for pixels from 0 to 255'
    for text in facts.get('assumed') or ():
        yield 'assumed, since the original weights do not state it', code(str(text))
    yield 'SHA-256 of `model.safetensors`', f'`{facts["sha256"]}`'


def _describe_results(figures: Figures, dataset: str) -> Iterator[str]:
    images = f', {figures.images:,} images' if figures.images else ''
    yield '## Results\n'
    yield f'On {code(dataset)}{images}, computed by {code(figures.backend)}.'
    yield f'Images: {code(figures.preprocessing)}.\n'
    yield from (f'- {name}: {value}' for name, value in figures.rows)
    yield ''
    yield from (f'Note: {code(caution)}\n' for caution in figures.cautions)


def _list_classes(classes: list[str] | None) -> Iterator[str]:
    if classes:
        yield '## Classes\n'
        yield from (f'{label}. {code(str(name))}' for label, name in enumerate(classes))
        yield ''
