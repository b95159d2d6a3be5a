"""``wrn info``: show the card of a model."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS

from wrn.checkpoints import ReadOptions
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
from wrn.zoo.resolve import ResolvedModel, resolve
from wrn_base.card import describe_entry, describe_images
from wrn_base.errors import WrnError
from wrn_base.tables import Cell, print_table

_CLASSES = 10  # class names to show
_Rows = Iterator[tuple[str, Cell]]


def run(args: argparse.Namespace) -> None:
    """Print the card of a model."""
    resolved = resolve(args.model, options=ReadOptions(args.key, args.prefix))
    if (args.key or args.prefix) and not resolved.file:
        raise WrnError(f'{args.model}: is no file of weights; leave out --key and --prefix')
    with config_errors(resolved.name):
        rows = list(_card(resolved))
    print_table(rows)


def _card(resolved: ResolvedModel) -> _Rows:
    if resolved.kind == 'name' and resolved.entry:  # of mmpretrain; wrn_base has ours
        config = resolved.get_config()
        yield from describe_entry(resolved.entry, config, _describe_preprocessing(config))
    elif resolved.file:
        yield from _describe_weights(resolved, resolved.file)
    elif resolved.kind == 'exported':
        yield from _describe_exported(resolved)
    else:
        config = resolved.get_config()
        yield 'config', resolved.name
        yield from _describe_network(config)
        yield 'images', _describe_preprocessing(config)
        yield 'weights', resolved.checkpoint or 'none: config only'


def _describe_weights(resolved: ResolvedModel, file: CheckpointFile) -> _Rows:
    weights, meta = file.weights, file.weights.meta
    yield 'file', str(file.path or file.name)
    if file.entry:
        yield 'model', file.entry.name
    yield 'format', weights.require_format(resolved.name).title
    architecture = find_architecture(weights.state_dict, resolved.name)
    yield 'network', str(architecture)
    below = f', under {weights.key}' if weights.key else ''
    prefix = f', with the prefix {weights.prefix}' if weights.prefix else ''
    yield 'keys', f'{len(weights.state_dict)}{below}{prefix}'
    buffers = ('running_mean', 'running_var', 'num_batches_tracked')
    learned = [v.numel() for k, v in weights.state_dict.items() if not k.endswith(buffers)]
    yield 'params', f'{sum(learned):,}'
    if classes := (meta.get('dataset_meta') or {}).get('classes'):
        yield 'classes', _list(classes)
    try:
        if file.entry or read_own_config(meta):
            config = resolved.get_config()
        else:
            config = describe_network(weights, architecture, resolved.name)
        check_fit(weights, config, resolved.name)
    except WrnError as error:
        yield 'problem', str(error)
    else:
        yield 'images', _describe_preprocessing(config, meta.get('normalization'))
    if weights.assumptions and not file.entry:
        yield 'assumed', weights.assumptions
    elif assumed := meta.get('assumed'):
        yield 'assumed', [*assumed, '(when it was converted; a config of your own overrides it)']
    yield 'provenance', meta.get('source') or 'unknown'
    yield 'license', meta.get('license') or 'unknown'
    if file.path:
        yield 'SHA-256', hash_file(file.path)
    if KEY in meta:
        yield 'SHA-256 of tensors', [meta[KEY], '(in the metadata, and correct)']


def _describe_exported(resolved: ResolvedModel) -> _Rows:
    network: Any = resolved.network
    path, metadata = Path(resolved.name), network.metadata
    yield 'file', str(path)
    yield 'model', metadata.model
    yield 'input', f'{metadata.dtype}, {metadata.layout}, {metadata.channel_order}'
    yield 'output', 'probabilities' if metadata.softmax else 'logits'
    yield 'precision', metadata.precision
    yield 'classes', _list(metadata.classes) if metadata.classes else str(metadata.num_classes)
    yield 'images', _describe_preprocessing(resolved.get_config())
    yield 'SHA-256', hash_file(path)


def _describe_network(config: Config) -> _Rows:
    backbone, head = config.model.get('backbone') or {}, config.model.get('head') or {}
    options = ('depth', 'widen_factor', 'drop_rate')
    parts = [f'{option} {backbone[option]}' for option in options if option in backbone]
    yield 'network', ', '.join([str(backbone.get('type')), *parts])
    if 'num_classes' in head:
        yield 'classes', str(head['num_classes'])
    config.model.data_preprocessor = get_data_preprocessor(config)
    scope = DefaultScope.overwrite_default_scope('mmpretrain')
    with scope, MetaInit(), quiet():
        network = MODELS.build(config.model)
    yield 'params', f'{sum(parameter.numel() for parameter in network.parameters()):,}'
    shape = tuple(Preprocessing(config).example(1).shape[1:])
    with quiet():
        analysis = get_model_complexity_info(
            network.to_empty(device='cpu').eval(), shape, show_table=False, show_arch=False
        )
    yield 'FLOPs', f'{analysis["flops"]:,} multiply-adds'


def _describe_preprocessing(
    config: Config, normalization: Mapping[str, Any] | None = None
) -> list[str]:
    preprocessor = {**(get_data_preprocessor(config) or {}), **(normalization or {})}
    return describe_images(get_test_dataset(config).pipeline, preprocessor)


def _list(classes: Sequence[str]) -> str:
    """Return the number of classes, and the names of the first ones by label."""
    shown = [*classes[:_CLASSES], '...'] if len(classes) > _CLASSES else classes
    return f'{len(classes)}: {", ".join(shown)}'
