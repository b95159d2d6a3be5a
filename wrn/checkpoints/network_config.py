"""The config of the network that weights belong to."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from modelindex.models.Model import Model

from wrn.checkpoints import Weights
from wrn.checkpoints.architecture import Architecture, find_architecture, find_conv_bias
from wrn.checkpoints.assumptions import assume_network, check_same, get_preprocessing
from wrn.checkpoints.network_options import get_kind, read_options
from wrn.config.config_errors import config_errors
from wrn.config.config_file import read_config, read_own_config
from wrn.config.config_parts import (
    choose_topk,
    get_data_preprocessor,
    get_dataset_type,
    get_inner_model,
    get_test_dataset,
)
from wrn.data.images.allowed_steps import check_normalization, check_steps
from wrn.data.images.preprocessing import is_red_first
from wrn_base import model_index
from wrn_base.errors import CheckpointError

_HEADS = ('LinearClsHead', 'MultiLabelLinearClsHead')  # that a file may name
# The dataset types that a file may name. All are part of mmpretrain or this package.
_DATASETS = ('CIFAR10', 'CIFAR100', 'Digits', 'ImageNet', 'SVHN')


def describe_network(
    weights: Weights,
    architecture: Architecture,
    name: str,
    entry: Model | None = None,
    config: Config | None = None,
) -> Config:
    """Make the config of the network that weights belong to, and of its preprocessing.

    What neither the file nor the caller states is added to the assumptions of the weights.

    Args:
        weights: The weights.
        architecture: What their shapes determine.
        name: The path or name of their file, for messages.
        entry: The published model that they belong to. Defaults to None.
        config: A config with the preprocessing and the options of the network. It is changed.
            Defaults to None: the config of the published model, or the one in the file, or the
            usual one for such a network.

    Raises:
        WrnError: If the config cannot be read, has options that contradict the weights, or is
            needed and missing.
    """
    own = None if config or entry else read_own_config(weights.meta)
    template = _find_template(architecture)
    full = config or read_config(entry.config if entry else template)
    options: dict[str, Any] = {}
    if own:
        # The backbone is not built from this config: mmengine would import whatever a type names.
        options = read_options(own.model.get('backbone'), name)
        check_same(own, options, name)
        _set_head(full, own, name)
        full.test_dataloader = own.test_dataloader
        full.data_preprocessor.update(get_preprocessing(own))
        _check_preprocessor(full.data_preprocessor, architecture, name)
    elif not entry:
        implied = weights.implied.backbone or {}
        options = {k: v for k, v in implied.items() if k not in full.model.backbone}
        if config is None:
            _check_known(weights, architecture, name)
            if 'normalization' not in weights.meta:
                full.data_preprocessor.update(weights.implied.normalization or {})
    if architecture.backbone.get('in_channels', 3) != 3 and not (config or own):
        raise CheckpointError(
            f'{name}: the network takes {architecture.backbone["in_channels"]}-channel images, not '
            'RGB; give a config with their preprocessing'
        )
    with config_errors(full.filename):
        _set_architecture(full, architecture, options)
    if config:
        assume_network(weights, full, name)
        weights.meta.pop('assumed', None)
    elif not (own or entry):
        assume_network(weights, full, name, template)
        weights.assumptions.append(f'the image size and the dataset of {template}')
        weights.meta['assumed'] = weights.assumptions
    return full


def read_model_config(weights: Weights, path: str) -> Config | None:
    """Make the config of a model from its file of weights alone, as ``wrn publish`` writes it.

    The shapes of the weights determine the network. The config in the file cannot name code to run:
    it only adds options that are plain values, preprocessing of known steps, and a known type of
    dataset.

    Args:
        weights: The content of the file.
        path: The path or URL of the file.

    Returns:
        The config, with the file as its ``load_from``; None if the file holds no config.

    Raises:
        WrnError: If the config in the file has unknown types or steps.
    """
    own = read_own_config(weights.meta)
    if own is None:
        return None
    config = describe_network(weights, find_architecture(weights.state_dict, path), path)
    pipeline = config.test_dataloader.dataset.pipeline
    check_steps(pipeline, path, 'give the config that the weights were trained with')
    kind = get_dataset_type(own)
    dataset = dict(type=kind if kind in _DATASETS else 'CustomDataset', pipeline=pipeline)
    keys = ('custom_imports', 'default_scope', 'model', 'data_preprocessor')
    parts = {key: config[key] for key in keys}
    parts.update(test_dataloader=dict(dataset=dataset), load_from=path)
    return Config(parts, cfg_text=f'# of {path}', filename=path)


def adapt_config(config: Config, weights: Weights, name: str, template: str) -> None:
    """Give a shipped config what it leaves open and these weights need.

    These are the options and the normalization of the config in the file, or else the usual ones of
    its format. What differs from the shipped config was set by the caller, and stays.

    Args:
        config: The config, which is changed.
        weights: The weights.
        name: The path or name of their file, for messages.
        template: The path of the shipped config, or the name of its model.

    Raises:
        CheckpointError: If the config in the file has unknown types, or the weights have norms that
            a shipped config does not have.
    """
    own = read_own_config(weights.meta)
    theirs = (own.model.get('backbone') if own else weights.implied.backbone) or {}
    backbone = get_inner_model(config.model).get('backbone') or {}
    if get_kind(theirs) == get_kind(backbone):
        options = read_options(theirs, name) if own else dict(theirs)
        if get_kind(backbone) == 'WideResNetCIFAR':
            options['conv_bias'] = find_conv_bias(weights.state_dict)
        for option, value in options.items():
            backbone.setdefault(option, value)
        if 'norm_cfg' not in backbone:
            _check_norms(weights, name)
    preprocessor = get_data_preprocessor(config)
    if not isinstance(preprocessor, dict) or 'normalization' in weights.meta:
        return
    stated = {**(get_preprocessing(own) if own else weights.implied.normalization or {})}
    if own and (stored := _get_pipeline(own)) != (used := _get_pipeline(config)):
        same = is_red_first(stored) == is_red_first(used)
        stated['to_rgb'] = stated.get('to_rgb', False) == same
    entry = model_index.find(template)
    shipped = get_preprocessing(read_config(entry.config if entry else template))
    preprocessor.update({k: v for k, v in stated.items() if preprocessor.get(k) == shipped.get(k)})


def _get_pipeline(config: Config) -> list[Any]:
    return [*get_test_dataset(config).pipeline]


def _check_preprocessor(
    preprocessor: Mapping[str, Any], architecture: Architecture, name: str
) -> None:
    """Check the values that a file states for the data preprocessor."""
    mean, std = preprocessor.get('mean'), preprocessor.get('std')
    if mean is not None or std is not None:  # images may be left as they are
        check_normalization(mean, std, architecture.backbone.get('in_channels', 3), name)
    if not isinstance(preprocessor.get('to_rgb', False), bool):
        raise CheckpointError(f'{name}: to_rgb in its config is not True or False; correct it')


def _find_template(architecture: Architecture) -> str:
    """Return the config with the preprocessing of the first published weights of a network."""
    if architecture.backbone['type'] == 'WideResNet':
        return 'configs/wrn/wide-resnet50_8xb32_in1k.py'
    data = 'cifar100' if architecture.num_classes == 100 else 'cifar10'
    return f'configs/wrn/wide-resnet28-10_8xb16_{data}.py'


def _check_known(weights: Weights, architecture: Architecture, name: str) -> None:
    """Check that the usual network can be assumed for weights without a config.

    Raises:
        CheckpointError: If it cannot. A config is then needed.
    """
    backbone = architecture.backbone
    if 'num_stages' in backbone and weights.implied.backbone is None:
        raise CheckpointError(
            f'{name}: the weights have {backbone["num_stages"]} stages of unknown strides; '
            'give a config with the strides'
        )
    _check_norms(weights, name)


def _check_norms(weights: Weights, name: str) -> None:
    """Check that the norms of weights are batch norms."""
    if not any(key.endswith('running_var') for key in weights.state_dict):
        raise CheckpointError(
            f'{name}: the norms are not batch norms, since they have no running statistics; give a '
            "config with the norms, such as norm_cfg=dict(type='GN', num_groups=16)"
        )


def _set_head(config: Config, own: Config, name: str) -> None:
    """Give a config the kind of head that the config in a file has.

    Raises:
        CheckpointError: If its head or neck is one that a file cannot state.
    """
    head, neck = (
        part if isinstance(part := own.model.get(key), Mapping) else {} for key in ('head', 'neck')
    )
    for part, known in ((head, _HEADS), (neck, ('GlobalAveragePooling',))):
        kind = str(part.get('type', known[0])).rpartition('.')[2]
        if kind not in known:
            raise CheckpointError(
                f'{name}: the config in it has a {kind[:80]}, which only a config file can build; '
                'give the config that the weights were trained with as the model, and this file as '
                'the checkpoint'
            )
    if str(head.get('type')).endswith(_HEADS[1]):
        loss = dict(type='CrossEntropyLoss', use_sigmoid=True)
        values = {key: head[key] for key in ('thr', 'topk') if key in head}
        if any(not isinstance(value, int | float | None) for value in values.values()):
            raise CheckpointError(f'{name}: the config in it has thr or topk that is no number')
        config.model.head = dict(type=_HEADS[1], loss=loss, **values)


def _set_architecture(
    config: Config, architecture: Architecture, options: Mapping[str, Any]
) -> None:
    """Set the backbone and the head of a config."""
    config.model.backbone.update({**architecture.backbone, **options})
    if architecture.num_classes is None:
        config.model.head = None
        return
    config.model.head.update(
        num_classes=architecture.num_classes, in_channels=architecture.in_channels
    )
    if config.model.head.type != _HEADS[1]:
        config.model.head.topk = choose_topk(architecture.num_classes)
    if 'data_preprocessor' in config:
        config.data_preprocessor.num_classes = architecture.num_classes
