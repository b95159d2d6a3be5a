"""Describe a model: its network, preprocessing, metrics and provenance."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS

from wrn.checkpoints.architecture import find_architecture
from wrn.checkpoints.checkpoint_file import CheckpointFile
from wrn.checkpoints.fit import check_fit
from wrn.checkpoints.network_config import describe_network
from wrn.checkpoints.tensor_hash import KEY
from wrn.config.config_errors import config_errors
from wrn.config.config_file import read_own_config
from wrn.config.config_parts import get_data_preprocessor, get_test_dataset
from wrn.data.images import Preprocessing
from wrn.models.meta_init import MetaInit
from wrn.utils.files import hash_file
from wrn.utils.quiet import quiet
from wrn.zoo.resolve import ResolvedModel
from wrn_base.card import Fact, describe_entry, describe_images, describe_model
from wrn_base.errors import WrnError

_CLASSES = 10  # class names to show


def describe_resolved(resolved: ResolvedModel) -> Iterator[Fact]:
    """Describe a model.

    Args:
        resolved: What :func:`wrn.zoo.resolve.resolve` returns for it.

    Yields:
        What is known of it.

    Raises:
        WrnError: If its config does not work.
    """
    with config_errors(resolved.name):
        yield from _describe(resolved)


def _describe(resolved: ResolvedModel) -> Iterator[Fact]:
    if resolved.kind == 'name' and resolved.entry:
        config = resolved.get_config()
        yield from describe_entry(resolved.entry, config, describe_preprocessing(config))
    elif resolved.file:
        yield from _describe_weights(resolved, resolved.file)
    elif resolved.kind == 'exported':
        yield from _describe_exported(resolved)
    else:
        config, own = resolved.get_config(), resolved.checkpoint
        yield Fact('config', resolved.name, config=resolved.name)
        yield from _describe_network(config)
        yield describe_preprocessing(config)
        yield Fact('weights', own or 'none: config only', weights=[own] if own else [])


def _describe_weights(resolved: ResolvedModel, file: CheckpointFile) -> Iterator[Fact]:
    weights, meta = file.weights, file.weights.meta
    path = str(file.path or file.name)
    yield Fact('file', path, file=path)
    if file.entry:
        yield Fact('model', file.entry.name, model=file.entry.name)
    form = weights.require_format(resolved.name)
    yield Fact('format', form.title, format=form.name)
    architecture = find_architecture(weights.state_dict, resolved.name)
    yield Fact('network', str(architecture), network=str(architecture))
    below = f', under {weights.key}' if weights.key else ''
    prefix = f', with the prefix {weights.prefix}' if weights.prefix else ''
    tensors = len(weights.state_dict)
    values = dict(tensors=tensors, key=weights.key or None, prefix=weights.prefix or None)
    yield Fact('keys', f'{tensors}{below}{prefix}', **values)
    buffers = ('running_mean', 'running_var', 'num_batches_tracked')
    params = sum(v.numel() for k, v in weights.state_dict.items() if not k.endswith(buffers))
    yield Fact('params', f'{params:,}', params=params, num_classes=architecture.num_classes)
    if classes := (meta.get('dataset_meta') or {}).get('classes'):
        yield Fact('classes', _list(classes), classes=list(classes))
    try:
        if file.entry or read_own_config(meta):
            config = resolved.get_config()
        else:
            config = describe_network(weights, architecture, resolved.name)
        check_fit(weights, config, resolved.name)
    except WrnError as error:
        yield Fact('problem', str(error), problem=str(error))
    else:
        yield describe_preprocessing(config, meta.get('normalization'))
    if weights.assumptions and not file.entry:
        yield Fact('assumed', weights.assumptions, assumed=weights.assumptions)
    elif assumed := meta.get('assumed'):
        note = '(when it was converted; a config of your own overrides it)'
        yield Fact('assumed', [*assumed, note], assumed=list(assumed))
    for name, known in (('provenance', meta.get('source')), ('license', meta.get('license'))):
        yield Fact(name, known or 'unknown', **{name: known})
    if file.path:
        digest = hash_file(file.path)
        yield Fact('SHA-256', digest, sha256=digest)
    if KEY in meta:
        note = '(in the metadata, and correct)'
        yield Fact('SHA-256 of tensors', [meta[KEY], note], sha256_of_tensors=meta[KEY])


def _describe_exported(resolved: ResolvedModel) -> Iterator[Fact]:
    network: Any = resolved.network
    path, metadata = Path(resolved.name), network.metadata
    yield Fact('file', str(path), file=str(path))
    yield Fact('model', metadata.model, model=metadata.model)
    takes = f'{metadata.dtype}, {metadata.layout}, {metadata.channel_order}'
    yield Fact('input', takes, input=takes)
    output = 'probabilities' if metadata.softmax else 'logits'
    yield Fact('output', output, output=output)
    yield Fact('precision', metadata.precision, precision=metadata.precision)
    classes, number = metadata.classes, metadata.num_classes
    shown = _list(classes) if classes else str(number)
    yield Fact('classes', shown, num_classes=number, classes=classes)
    yield describe_preprocessing(resolved.get_config())
    digest = hash_file(path)
    yield Fact('SHA-256', digest, sha256=digest)


def _describe_network(config: Config) -> Iterator[Fact]:
    yield from describe_model(config)
    config.model.data_preprocessor = get_data_preprocessor(config)
    scope = DefaultScope.overwrite_default_scope('mmpretrain')
    with scope, MetaInit(), quiet():
        network = MODELS.build(config.model)
    params = sum(parameter.numel() for parameter in network.parameters())
    yield Fact('params', f'{params:,}', params=params)
    shape = tuple(Preprocessing(config).example(1).shape[1:])
    with quiet():
        analysis = get_model_complexity_info(
            network.to_empty(device='cpu').eval(), shape, show_table=False, show_arch=False
        )
    yield Fact('FLOPs', f'{analysis["flops"]:,} multiply-adds', flops=analysis['flops'])


def describe_preprocessing(config: Config, normalization: Mapping[str, Any] | None = None) -> Fact:
    """Describe how images are prepared for a network.

    Args:
        config: The config of the model.
        normalization: The mean and the standard deviation that a file states. Defaults to None:
            those of the config.
    """
    preprocessor = {**(get_data_preprocessor(config) or {}), **(normalization or {})}
    return describe_images(get_test_dataset(config).pipeline, preprocessor)


def _list(classes: Sequence[str]) -> str:
    """Return the number of classes, and the names of the first ones by label."""
    shown = [*classes[:_CLASSES], '...'] if len(classes) > _CLASSES else classes
    return f'{len(classes)}: {", ".join(shown)}'
